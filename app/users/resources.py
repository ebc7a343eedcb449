"""HTTP resources of users."""

from collections.abc import Callable
from typing import Any

import falcon

from app.errors import BadRequest
from app.users.schemas import (
    AccountSettings,
    Batch,
    Deletion,
    Profile,
    ProfilePatch,
    PublicUser,
    SettingsPatch,
    User,
)
from app.users.service import UserService
from app.web.bodies import JSON, MERGE_PATCH, read_one_of
from app.web.converters import ID_SCHEMA, parse_id
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.resource import Resource, answer, headers_of

BATCH_LIMIT = 100
_CHANGES: dict[str, type[Profile | ProfilePatch]] = {JSON: Profile, MERGE_PATCH: ProfilePatch}


class Account(Resource):
    """The user's own profile and account; `delete` deletes the account of a request's user."""

    def __init__(self, users: UserService, delete: Callable[[falcon.Request], object]) -> None:
        self._users, self._delete = users, delete

    def tag(self, req: falcon.Request, **params: object) -> str:
        identity = req.context.identity
        return (identity.user or self._users.profile(identity.user_id)).tag

    @operation(
        Operation(
            "Read your profile",
            {200: User, 304: None},
            errors=(401, 429, 503),
            headers={200: ("ETag",), 304: ("ETag",)},
            keep="own",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        identity = req.context.identity
        fact = identity.user or self._users.profile(identity.user_id)
        headers = headers_of(resp)
        headers["etag"] = fact.tag
        headers["cache-control"] = "private, no-cache"
        resp.data = fact.private_json

    on_head = on_get

    @operation(
        Operation(
            "Change your profile",
            {200: User},
            body=Profile,
            other_bodies={MERGE_PATCH: ProfilePatch},
            errors=(400, 401, 415, 422, 429, 503),
            headers={200: ("ETag",)},
        )
    )
    def on_patch(self, req: falcon.Request, resp: falcon.Response) -> None:
        user_id: int = req.context.identity.user_id
        given = read_one_of(req, _CHANGES)
        profile = Profile(given.name, "" if given.headline is None else given.headline)
        fact = self._users.change(user_id, profile, req.context.held_version)
        resp.set_header("ETag", fact.tag)
        resp.data = fact.private_json

    @operation(
        Operation("Delete the account", {204: None}, body=Deletion, errors=(400, 401, 403, 409, 415, 422, 429, 503))
    )
    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._delete(req)
        resp.status = 204


class OwnSettings(Resource):
    """The settings of the user's account."""

    def __init__(self, users: UserService) -> None:
        self._users = users

    @operation(Operation("Read your settings", {200: AccountSettings}, errors=(401, 429, 503)))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, self._users.settings(req.context.identity.user_id))

    on_head = on_get

    @operation(
        Operation(
            "Change your settings",
            {200: AccountSettings},
            body=SettingsPatch,
            other_bodies={MERGE_PATCH: SettingsPatch},
            errors=(400, 401, 415, 422, 429, 503),
        )
    )
    def on_patch(self, req: falcon.Request, resp: falcon.Response) -> None:
        patch = read_one_of(req, {JSON: SettingsPatch, MERGE_PATCH: SettingsPatch})
        answer(resp, self._users.change_settings(req.context.identity.user_id, patch))


class PublicProfile(Resource):
    """The part of a profile that every user may read."""

    def __init__(self, users: UserService) -> None:
        self._users = users

    @operation(
        Operation(
            "Read a public profile",
            {200: PublicUser},
            errors=(401, 404, 429, 503),
            parameters=(Parameter("user_id", "path", ID_SCHEMA, "", required=True),),
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        resp.data = self._users.profile(user_id).public_json
        headers_of(resp)["cache-control"] = "private, no-cache"

    on_head = on_get


class UserBatch(Resource):
    """Up to 100 public profiles at once."""

    def __init__(self, users: UserService) -> None:
        self._users = users

    @operation(
        Operation(
            "Read up to 100 public profiles",
            {200: Batch},
            errors=(400, 401, 429, 503),
            parameters=(
                Parameter(
                    "ids",
                    "query",
                    {
                        "type": "array",
                        "items": ID_SCHEMA,
                        "minItems": 1,
                        "maxItems": BATCH_LIMIT,
                    },
                    "comma-separated ids; the order is kept and duplicates are removed",
                    required=True,
                ),
            ),
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        wanted = parse_ids(req.params.get("ids"))
        found = self._users.profiles(wanted)
        users = b",".join([found[user_id].public_json for user_id in wanted if user_id in found])
        missing = ",".join([str(user_id) for user_id in wanted if user_id not in found])
        resp.data = b'{"users":[' + users + b'],"missing":[' + missing.encode() + b"]}"
        headers_of(resp)["cache-control"] = "private, no-cache"

    on_head = on_get


def parse_ids(given: Any) -> list[int]:
    """The ids in the given order, without duplicates; raises BadRequest for none, more than 100, or an invalid id."""
    texts = (",".join(given) if isinstance(given, list) else given or "").split(",")
    if texts == [""]:
        raise BadRequest("ids must name at least one")
    if len(texts) > BATCH_LIMIT:
        raise BadRequest(f"ids must name at most {BATCH_LIMIT}")
    numbers = [parse_id(text.strip()) for text in texts]
    wanted = dict.fromkeys(number for number in numbers if number is not None)
    if None in numbers:
        raise BadRequest("ids must be comma-separated positive integers")
    return list(wanted)
