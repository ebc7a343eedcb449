# Sourced once by the image's entry point, when the data folder is new: the service's role, and a database of its own.
psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv name APP_DATABASE
\getenv role APP_ROLE
\set password `cat "$APP_PASSWORD_FILE"`
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"role";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
