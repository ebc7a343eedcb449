"""HTTP resource of the export."""

from datetime import UTC, datetime
from typing import Any

import falcon
import msgspec

from app.accounts.export import store
from app.infra.postgres.database import Database
from app.web.openapi.operations import Operation, operation
from app.web.resource import Resource, answer

Rows = list[dict[str, Any]]
Export: type[msgspec.Struct] = msgspec.defstruct(
    "Export",
    [("exported_at", datetime), *((part, Rows) for part in store.PARTS)],
    namespace={
        "__doc__": f"What is kept about an account; of each part the newest {store.ROWS_MAX} rows, and at most "
        f"{store.BYTES_MAX >> 20} MiB."
    },
    module=__name__,
    frozen=True,
)


class OwnExport(Resource):
    """Everything that is kept about the user's account, but secrets and what others have noted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @operation(Operation("Export what is kept about your account", {200: Export}, errors=(401, 429, 503)))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        user_id: int = req.context.identity.user_id
        parts = {part: msgspec.Raw(store.read(self._database, user_id, part).encode()) for part in store.PARTS}
        answer(resp, {"exported_at": datetime.now(UTC)} | parts)
        resp.set_header("Content-Disposition", 'attachment; filename="account.json"')

    on_head = on_get
