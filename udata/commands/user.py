"""The screen of users: creating and finding them, administrators, passwords."""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from udata.commands import names, output
from udata.commands.base import Group, Portal, needs_app
from udata.commands.dry_run import telling
from udata.errors import EXIT_FOUND, UdataError, UsageError
from udata.wording import counted

if TYPE_CHECKING:
    from udata.services.users.accounts import Change
    from udata.services.users.deletion import Deletion
    from udata.services.users.listing import Account, Membership
    from udata.store.documents import DocumentError

# After so many rows of a listing its columns have their width.
LOOKED_AT = 500


@click.group("user", cls=Group)
def group() -> None:
    """Manage the portal's users.

    \b
    Example:
      $ udata user list
    """


email_argument = click.argument("email", required=False, shell_complete=names.emails)
password_option = click.option("--password", help="The password; other users of this machine can see it here.")
password_stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)


@group.command(json=True)
@click.option("--first-name", metavar="NAME", help="The first name.")
@click.option("--last-name", metavar="NAME", help="The last name.")
@click.option("--email", metavar="EMAIL", help="The e-mail, which is stored in lower case.")
@password_option
@password_stdin_option
@click.option("--generate-password", is_flag=True, help="Make a password, and show it once.")
@click.option("--admin", is_flag=True, help="Make the user an administrator, too.")
@needs_app
def create(portal: Portal, /, **given: Any) -> None:
    """Create an account.

    Asks on the terminal for what is missing, for the password without showing it. The account is active and its
    e-mail confirmed: who knows the password can sign in.

    \b
    Example:
      $ udata user create --email ada@example.org --first-name Ada --last-name Byron --password Passw0rd
    """
    from udata.services.users import accounts as users

    _refuse_to_guess(given)

    def email(value: str) -> str:
        # Also whether it is free: else one would type a password for nothing.
        checked = users.email_address(value, portal.settings["SECURITY_EMAIL_VALIDATOR_ARGS"])
        return users.free_email(portal.database, checked)

    new = users.New(
        first_name=_given(given, "First name", "--first-name", lambda value: users.person_name("first name", value)),
        last_name=_given(given, "Last name", "--last-name", lambda value: users.person_name("last name", value)),
        email=_given(given, "E-mail", "--email", email),
        password=_password(portal, given["password"], given["password_stdin"], given["generate_password"]),
        admin=given["admin"],
    )
    created = users.create(portal.database, new, portal.settings, output.warning)
    made = {"password": new.password} if given["generate_password"] else {}
    output.answer(created, lambda created: _answer_created(created, made), lambda created: created._asdict() | made)


@group.command("list", json=True, jsonl=True)
@click.option("--admin", is_flag=True, help="Only administrators.")
@click.option("--deleted", is_flag=True, help="Only deleted accounts, which are left out otherwise.")
@click.option("--inactive", is_flag=True, help="Only those who cannot sign in: not active, or not confirmed.")
@click.option("--search", metavar="TEXT", default="", help="Only those whose name or e-mail has each word of TEXT.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N accounts.")
@needs_app
def list_(portal: Portal, /, **wanted: Any) -> None:
    """List the accounts by e-mail.

    An account that cannot be read is named on standard error, the others are listed, and the command ends with 1.

    \b
    Example:
      $ udata user list --search holt
    """
    from udata.services.users.listing import Wanted, listed

    damaged = set[bool]()
    output.listing(_readable(listed(portal.database, Wanted(**wanted)), damaged), _answer_accounts)
    if damaged:
        output.leave(EXIT_FOUND)


@group.command(json=True)
@email_argument
@needs_app
def show(portal: Portal, email: str | None) -> None:
    """Show an account.

    Neither the password's hash nor the key of the second factor is ever shown.

    \b
    Example:
      $ udata user show jonas.reed@example.org
    """
    from udata.services.users.listing import shown

    account, organizations = shown(portal.database, _email(email))
    output.answer(
        {**account._asdict(), "organizations": organizations}, lambda _: _answer_account(account, organizations)
    )


@group.command("set-admin", json=True)
@email_argument
@needs_app
def set_admin(portal: Portal, email: str | None) -> None:
    """Make a user an administrator.

    \b
    Example:
      $ udata user set-admin jonas.reed@example.org
    """
    from udata.services.users import accounts as users

    change = users.grant_admin(portal.database, _email(email), output.warning)
    _answer_change(change, "is an administrator now", "is an administrator already")


@group.command("unset-admin", json=True)
@email_argument
@needs_app
def unset_admin(portal: Portal, email: str | None) -> None:
    """Make an administrator an ordinary user again.

    \b
    Example:
      $ udata user unset-admin jonas.reed@example.org
    """
    from udata.services.users import accounts as users

    change = users.revoke_admin(portal.database, _email(email))
    _answer_change(change, "is no administrator any more", "is no administrator")
    if change.changed and not users.administrators(portal.database):
        output.warning("Nobody is an administrator now: udata user set-admin EMAIL makes one")


@group.command(json=True)
@email_argument
@needs_app
def activate(portal: Portal, email: str | None) -> None:
    """Let a user sign in: active, the e-mail confirmed.

    \b
    Example:
      $ udata user activate jonas.reed@example.org
    """
    from udata.services.users import accounts as users

    _answer_change(users.activate(portal.database, _email(email)), "can sign in now", "is active already")


@group.command(json=True)
@email_argument
@password_option
@password_stdin_option
@needs_app
def password(portal: Portal, email: str | None, password: str | None, password_stdin: bool) -> None:
    """Give a user another password.

    Asks for it on the terminal, without showing it, if it is not given. All sessions of the user end.

    \b
    Example:
      $ udata user password jonas.reed@example.org --password Another0ne
    """
    from udata.services.users import accounts as users

    email = _email(email)
    users.living(portal.database, email)
    chosen = _password(portal, password, password_stdin)
    change = users.set_password(portal.database, email, chosen, portal.settings, output.warning)
    _answer_change(change, "has another password; all sessions are ended")


@group.command("rotate-password", json=True)
@email_argument
@needs_app
def rotate_password(portal: Portal, email: str | None) -> None:
    """Demand another password at the next login.

    All sessions of the user end.

    \b
    Example:
      $ udata user rotate-password jonas.reed@example.org
    """
    from udata.services.users import accounts as users

    change = users.demand_rotation(portal.database, _email(email))
    _answer_change(change, "must choose another password at the next login; all sessions are ended")


@group.command("unset-two-factor", json=True)
@email_argument
@needs_app
def unset_two_factor(portal: Portal, email: str | None) -> None:
    """Let a user in whose second factor is lost.

    The user signs in with the password alone, and may set up a second factor again.

    \b
    Example:
      $ udata user unset-two-factor jonas.reed@example.org
    """
    from udata.services.users import accounts as users

    change = users.unset_two_factor(portal.database, _email(email))
    _answer_change(change, "signs in without a second factor now", "has no second factor")


@group.command(json=True)
@email_argument
@click.option("--delete-comments", is_flag=True, help="Take the text out of the user's messages, too.")
@click.option("--no-mail", is_flag=True, help="Do not tell the user by mail.")
@click.option("--dry-run", is_flag=True, help="Say what would become of the account, and change nothing.")
@needs_app
def delete(portal: Portal, email: str | None, delete_comments: bool, no_mail: bool, dry_run: bool) -> None:
    """Delete an account: what the user wrote stays, without a name.

    EMAIL may also be the account's id or slug. Memberships, follows, tokens, roles and what concerns the user alone
    go. With --delete-comments discussions in which nobody else spoke go as well. It cannot be undone.

    \b
    Example:
      $ udata user delete jonas.reed@example.org --dry-run
    """
    from udata.services.users import deletion, farewell

    user = deletion.find(portal.database, _email(email))
    # Written before the deletion, which takes name and address; a wrong setting stops it here, too.
    mail = None if no_mail or dry_run else farewell.mail(portal.database, portal.settings, user)
    mailer = None if mail is None else farewell.mailer(portal.settings)
    with output.progress("Deleting") as bar:
        done = deletion.delete(
            portal.database, portal.settings, user,
            comments=delete_comments, dry_run=dry_run, tell=telling(dry_run), progress=bar.update,
        )  # fmt: skip
    if mailer and mail and not done.again:
        done.mail = farewell.send(mailer, mail)
    output.answer(done, _answer_deletion)
    if done.failed:
        output.leave(EXIT_FOUND)


def _answer_deletion(done: "Deletion") -> None:
    go, lose = ("would go", "would lose") if done.dry_run else ("went", "lost")
    for what, counts in ((go, done.removed), (f"{lose} a reference or a right", done.changed)):
        output.counts(what, counts)
    if done.comments or done.discussions:
        messages, talks = counted(done.comments, "message"), counted(done.discussions, "discussion")
        output.line(f"{messages} {lose} the text, {talks} {go}")
    for one in done.left:
        output.bad(f"{one.collection} {one.id} {one.reason}")
    if done.mail and done.mail.state != "sent":
        output.bad(f"The mail to {done.email} was not sent: {done.mail.reason}")
    named = f"{done.email} ({done.name})" if done.name else f"{done.email}"
    if done.dry_run:
        output.line(f"{named} would be deleted. Nothing was changed.")
    else:
        output.did(f"Deleted {named}: the account is {done.id}@deleted now")


def _answer_created(created: "Account", made: dict[str, str]) -> None:
    output.did(f"Created {_named(created)}{', an administrator' if created.admin else ''}")
    if made:
        output.line(f"The password, which is shown this once: {made['password']}")


def _email(given: str | None) -> str:
    return output.ask("E-mail", "EMAIL") if given is None else given


def _refuse_to_guess(given: dict[str, Any]) -> None:
    """Name all options that are missing, if nobody can be asked for them."""
    missing = [option for option in ("--first-name", "--last-name", "--email") if given[_variable(option)] is None]
    if given["password"] is None and not given["password_stdin"] and not given["generate_password"]:
        missing.append("--generate-password, --password-stdin or --password")
    if missing and not output.can_ask():
        raise UsageError("something is missing, and nobody is there to answer", f"give {', '.join(missing)}")


def _variable(option: str) -> str:
    return option.lstrip("-").replace("-", "_")


def _given(given: dict[str, Any], label: str, option: str, accept: Callable[[str], str]) -> str:
    """What was typed for `option`, or else the answer to a question, as `accept` returns it."""
    value = given[_variable(option)]
    return output.ask(label, option, accept=accept) if value is None else accept(value)


def _password(portal: Portal, given: str | None, from_stdin: bool, generate: bool = False) -> str:
    """The password from one of the options, or else asked for, hidden and twice."""
    from udata.services.users.passwords import Passwords

    if (given is not None) + from_stdin + generate > 1:
        raise UsageError("--password, --password-stdin and --generate-password exclude each other")
    if generate:
        return Passwords(portal.settings).generated()
    if given is not None:
        return given
    # What is typed on a terminal would be seen: there --password-stdin asks.
    if not from_stdin or sys.stdin.isatty():
        passwords = Passwords(portal.settings)
        accept = passwords.checked
        if output.can_ask():
            output.notice(f"A password needs {passwords.rules}")
        return output.ask("Password", "--password-stdin or --password", hidden=True, twice=True, accept=accept)
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError("the password is not in the terminal's encoding") from error


def _readable(found: "Iterable[Account | DocumentError]", damaged: set[bool]) -> "Iterator[Account]":
    """The accounts; what cannot be read is said, and that there was any is noted in `damaged`."""
    for one in found:
        if isinstance(one, UdataError):
            output.error(one)
            damaged.add(True)
        else:
            yield one


def _answer_change(change: "Change", done: str, already: str = "") -> None:
    say, words = (output.did, done) if change.changed else (output.fine, already)
    output.answer(change, lambda change: say(f"{_named(change)} {words}"))


def _named(who: "Account | Change") -> str:
    return f"{who.email} ({who.name})" if who.name else who.email or ""


def _answer_accounts(accounts: "Iterable[Account]") -> None:
    rows = ((one.email, one.state, ", ".join(one.roles), _day(one.created_at), one.name) for one in accounts)
    printed = ([output.printable(cell or "") for cell in row] for row in rows)
    first = list(islice(printed, LOOKED_AT))
    if not first:
        output.remark("No users")
        return
    first.insert(0, ["e-mail", "state", "roles", "created", "name"])
    widths = [max(map(len, column)) for column in zip(*first, strict=True)]
    for row in chain(first, printed):
        output.line("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _answer_account(account: "Account", organizations: "list[Membership]") -> None:
    rows = [
        ("e-mail", account.email),
        ("name", account.name),
        ("id", account.id),
        ("slug", account.slug),
        ("state", account.state),
        ("roles", ", ".join(account.roles)),
        ("organizations", ", ".join(f"{one.name or one.id} ({one.role or 'no role'})" for one in organizations)),
        ("created", account.created_at),
        ("confirmed", account.confirmed_at),
        ("deleted", account.deleted),
        ("last login", account.last_login_at),
        ("password", "set" if account.has_password else "none"),
        ("rotation demanded", account.password_rotation_demanded),
        ("rotation performed", account.password_rotation_performed),
        ("second factor", account.two_factor),
    ]
    output.fields((label, _moment(value)) for label, value in rows)


def _day(value: Any) -> str:
    return _moment(value)[:10]


def _moment(value: Any) -> str:
    """A date as text; what is stored in the place of one, as it is."""
    return output.moment(value) if hasattr(value, "strftime") else str(value or "")
