"""Mail: composed from templates in the reader's language and sent by SMTP; a repetition has the same Message-ID."""
