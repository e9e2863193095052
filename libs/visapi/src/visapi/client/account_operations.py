"""The operations of accounts at providers as values; see `client.operations`. Pure."""

from typing import Any

import msgspec

from visapi.client.call import JSON, Call, keyed_post, query
from visapi.client.call import path_part as _part
from visapi_common.contracts.accounts import (
    AccountPage,
    AccountVerification,
    AccountVersionPage,
    AccountView,
    PutAccount,
    RollBackAccount,
    RotateAccount,
)

_JSON = {"Content-Type": JSON}


def put_account(name: str, wanted: PutAccount) -> Call[AccountView]:
    """Store an account, or its next version."""
    body = msgspec.json.encode(wanted)
    return Call(method="PUT", path=_path(name), answer=AccountView, headers=_JSON, body=body, private=True)


def list_accounts(*, limit: int = 200, cursor: str | None = None) -> Call[AccountPage]:
    """Accounts, by name, without their credentials."""
    params = query(limit, cursor=cursor)
    return Call(method="GET", path="/v1/accounts", answer=AccountPage, params=params, repeatable=True)


def get_account(name: str) -> Call[AccountView]:
    return Call(method="GET", path=_path(name), answer=AccountView, repeatable=True)


def list_account_versions(name: str) -> Call[AccountVersionPage]:
    """The versions that are kept, the newest first."""
    return Call(method="GET", path=f"{_path(name)}/versions", answer=AccountVersionPage, repeatable=True)


def verify_account(name: str) -> Call[AccountVerification]:
    """Try the credentials at the provider; nothing is sent. The client does not repeat the request, because
    providers count sign-ins that fail.
    """
    return Call(method="POST", path=f"{_path(name)}/verify", answer=AccountVerification)


def rotate_account(
    name: str, wanted: RotateAccount, *, idempotency_key: str | None = None
) -> Call[AccountView]:
    """Give an account new credentials; those of before are tried for a while where the provider refuses the
    new ones.
    """
    body = msgspec.json.encode(wanted)
    path = f"{_path(name)}/rotate"
    return keyed_post(path, AccountView, body, idempotency_key=idempotency_key, private=True)


def confirm_account(name: str, *, idempotency_key: str | None = None) -> Call[AccountView]:
    """End the overlap of a rotation."""
    return keyed_post(f"{_path(name)}/confirm", AccountView, idempotency_key=idempotency_key)


def roll_back_account(
    name: str, *, version: int | None = None, idempotency_key: str | None = None
) -> Call[AccountView]:
    """Use an earlier version again; without a number the one before the current one."""
    body = msgspec.json.encode(RollBackAccount(version))
    return keyed_post(f"{_path(name)}/rollback", AccountView, body, idempotency_key=idempotency_key)


def remove_account(name: str) -> Call[Any]:
    return Call(method="DELETE", path=_path(name), answer=Any)


def _path(name: str) -> str:
    return f"/v1/accounts/{_part(name)}"
