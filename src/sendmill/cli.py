"""The command line: `sendmill …`.

What a user got wrong is answered with one line and exit code 2; what the machine can't do with one line and 1.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import sendmill

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sendmill.settings")
    from sendmill.commands.reporting import exit_code_of_command

    return exit_code_of_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    import django
    from django.conf import settings

    from sendmill import logs

    # Settings are read here and not while a command runs: a wrong one is reported before anything has begun.
    logs.configure(settings.SENDMILL_LOG_LEVEL, settings.SENDMILL_LOG_FORMAT)
    django.setup()
    command: Command = options.command
    return command(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sendmill",
        description="A self-hosted email campaign server. Settings come from the environment: docs/operating.md.",
    )
    parser.add_argument("--version", action="version", version=f"sendmill {sendmill.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add(commands, "run", _run_everything, "web, scheduler and workers in one go")
    _add(commands, "web", _web, "the HTTP server alone")
    worker = _add(commands, "worker", _worker, "scheduler and delivery processes, without the web")
    worker.add_argument("--processes", type=_at_least_one, metavar="N", help="default: SENDMILL_WORKERS")
    migrate = _add(commands, "migrate", _migrate, "bring the database's schema up to date")
    migrate.add_argument(
        "--finish", action="store_true", help="no node of the version before is at work: do as this version does best"
    )
    doctor = _add(commands, "doctor", _doctor, "check the installation and say what to do")
    doctor.add_argument("--domain", action="append", default=[], metavar="DOMAIN", help="look at its DNS, not at all's")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    backup = _add(commands, "backup", _back_up, "copy database and secret key into a new folder, while the server runs")
    backup.add_argument("path", type=Path, metavar="PATH")
    restore = _add(commands, "restore", _restore, "put a backup in the place of an empty database")
    restore.add_argument("path", type=Path, metavar="PATH")
    restore.add_argument(
        "--in-doubt", choices=("pause", "hold", "resend"), default="pause",
        help="recipients whose message may have been sent after the backup: pause their campaigns (default), make them "
        "final as unconfirmed, or send",
    )  # fmt: skip
    restore.add_argument("--sent", type=Path, metavar="LOG", help="the mail server's log: what it names was delivered")
    restore.add_argument("--replace", action="store_true", help="give the database that is there another name")
    for copying in (backup, restore):
        copying.add_argument("--json", action="store_true", help="print JSON")
    prune = _add(commands, "prune", _prune, "delete what is older than the retention settings, in short batches")
    prune.add_argument("--results-days", type=_at_least_one, metavar="N", help="default: SENDMILL_KEEP_RESULTS_DAYS")
    prune.add_argument("--imports-days", type=_at_least_one, metavar="N", help="default: SENDMILL_KEEP_IMPORTS_DAYS")
    prune.add_argument("--audit-days", type=_at_least_one, metavar="N", help="default: SENDMILL_KEEP_AUDIT_DAYS")
    prune.add_argument("--archive", type=Path, metavar="FOLDER", help="first write results there, as JSON lines, gzip")
    prune.add_argument("--dry-run", action="store_true", help="count, and delete nothing")
    status = _add(commands, "status", _status, "what is being sent, how far it is, and how the relays are")
    status.add_argument("--client", metavar="ID", help="only this client's campaigns")
    status.add_argument("--json", action="store_true", help="print JSON")
    demo = _add(commands, "demo", _demo, "play a sample campaign through the public API")
    demo.add_argument("--once", action="store_true", help="end after the campaign instead of leaving the server up")

    client = commands.add_parser("client", help="clients (tenants)").add_subparsers(required=True, metavar="ACTION")
    add_client = _add(client, "add", _add_client, "add a client with its first user and an API token")
    add_client.add_argument("name", help="the client's name")
    add_client.add_argument("--email", required=True, help="the first user's address, with which they log in")
    add_client.add_argument("--password", help="the first user's password; without one a link to choose it is printed")
    add_client.add_argument("--json", action="store_true", help="print JSON")
    set_client = _add(client, "set", _set_client, "set the footer of a client's messages; without options, show it")
    set_client.add_argument("client", metavar="ID", help="the client's id, 24 hex digits")
    set_client.add_argument("--footer", choices=("on", "off"), help="added to messages without a link to unsubscribe")
    set_client.add_argument("--postal-address", metavar="TEXT", help="shown in the footer; may have several lines")
    set_client.add_argument("--language", metavar="CODE", help="of the footer: en, de, es, fr, it, nl, pl or pt")
    set_client.add_argument("--json", action="store_true", help="print JSON")
    operator = commands.add_parser("operator", help="who looks after all clients").add_subparsers(
        required=True, metavar="ACTION"
    )
    add_operator = _add(operator, "add", _add_operator, "put somebody who signs in above all clients")
    add_operator.add_argument("email", metavar="EMAIL", help="the address with which they log in")
    token = commands.add_parser("token", help="API tokens").add_subparsers(required=True, metavar="ACTION")
    add_token = _add(token, "add", _add_token, "issue an API token, shown this once")
    add_token.add_argument("--client", required=True, metavar="ID", help="the client's id, 24 hex digits")
    add_token.add_argument("--json", action="store_true", help="print JSON")

    dkim = commands.add_parser("dkim", help="DKIM keys of sending domains").add_subparsers(
        required=True, metavar="ACTION"
    )
    add_key = _add(dkim, "add", _add_dkim_key, "make a key that signs a domain's mail, and print its DNS record")
    add_key.add_argument("domain", metavar="DOMAIN")
    add_key.add_argument("--selector", help="default: sm and today's date")
    add_key.add_argument("--client", metavar="ID", help="sign this client's mail alone; default: everybody's")
    add_key.add_argument("--algorithm", choices=("rsa", "ed25519"), default="rsa", help="default: rsa (2048 bits)")
    add_key.add_argument("--json", action="store_true", help="print JSON")
    list_keys = _add(dkim, "list", _list_dkim_keys, "print the DNS record of every key")
    list_keys.add_argument("--json", action="store_true", help="print JSON")
    remove_key = _add(dkim, "remove", _remove_dkim_key, "delete a key")
    remove_key.add_argument("domain", metavar="DOMAIN")
    remove_key.add_argument("selector", metavar="SELECTOR")

    limit = commands.add_parser("limit", help="how much may be sent").add_subparsers(required=True, metavar="ACTION")
    set_limit = _add(limit, "set", _set_limit, "set a limit over all processes, in place of the one before")
    set_limit.add_argument("--rate", type=float, metavar="N", help="messages a second")
    set_limit.add_argument("--connections", type=_at_least_one, metavar="N", help="handed over at once")
    set_limit.add_argument("--weight", type=_at_least_one, metavar="N", default=1, help="a client's share; default: 1")
    list_limits = _add(limit, "list", _list_limits, "print every limit")
    list_limits.add_argument("--json", action="store_true", help="print JSON")
    remove_limit = _add(limit, "remove", _remove_limit, "delete a limit")
    for about_limit in (set_limit, remove_limit):
        about_limit.add_argument("kind", choices=("relay", "sender", "client", "domain"))
        about_limit.add_argument("name", metavar="NAME", help="host:port, an address, a client's id, or a domain")

    importing = _add(commands, "import", _import, "a CSV file into a contact group")
    importing.add_argument("file", metavar="FILE")
    importing.add_argument("--group", required=True, metavar="TAG", help="the group's tag; it is made if need be")
    importing.add_argument("--client", required=True, metavar="ID", help="the client's id, 24 hex digits")
    importing.add_argument(
        "--action", choices=("update", "replace", "delete"), default="update", help="default: update (and add)"
    )
    importing.add_argument("--email-column", metavar="HEADING", help="default: the one headed email, else it is found")
    importing.add_argument("--name-column", metavar="HEADING", help="default: the one headed name, if there is one")
    importing.add_argument("--dry-run", action="store_true", help="count and report, and change nothing")

    export = commands.add_parser("export", help="CSV files, to standard output").add_subparsers(
        required=True, metavar="ACTION"
    )
    contacts = _add(export, "contacts", _export_contacts, "a group's contacts, with all their columns")
    contacts.add_argument("--group", required=True, metavar="ID", help="the group's id, 24 hex digits")
    results = _add(export, "results", _export_results, "what became of each recipient, with the mail server's words")
    results.add_argument(
        "--from", required=True, metavar="DATE", dest="start_date", help="the first day, yyyy-MM-dd, UTC"
    )
    results.add_argument("--to", required=True, metavar="DATE", dest="end_date", help="the last day")
    results.add_argument("--campaign", metavar="ID", help="only this campaign's")
    for exporting in (contacts, results):
        exporting.add_argument("--client", required=True, metavar="ID", help="the client's id, 24 hex digits")
        exporting.add_argument("--raw", action="store_true", help="leave what a spreadsheet would run as a formula")

    erase = _add(commands, "erase", _erase, "a person: all that a client keeps of an address, for good")
    erase.add_argument("email", metavar="ADDRESS")
    erase.add_argument("--client", required=True, metavar="ID", help="the client's id, 24 hex digits")
    erase.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: Command, help_text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    parser.set_defaults(command=command)
    return parser


def _at_least_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


# Each command imports what it needs: `sendmill --help` needs no Django, and a worker no web server.


def _run_everything(_options: argparse.Namespace) -> int:
    from sendmill.commands.run import run_everything

    return run_everything()


def _web(_options: argparse.Namespace) -> int:
    from sendmill.commands.run import run_web

    return run_web()


def _worker(options: argparse.Namespace) -> int:
    from django.conf import settings

    from sendmill.commands.run import run_delivery

    return run_delivery(options.processes or settings.SENDMILL_WORKERS)


def _migrate(options: argparse.Namespace) -> int:
    from sendmill import schema
    from sendmill.contacts.layouts import finish_upgrade

    applied = schema.migrate()
    print(f"{len(applied)} migrations applied." if applied else "The database is up to date.")
    if options.finish and finish_upgrade():
        print("From now on contacts are written in pages.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from sendmill.commands.doctor import run_doctor

    return run_doctor(options.domain, options.json)


def _back_up(options: argparse.Namespace) -> int:
    from sendmill.commands import backup

    return backup.back_up(options.path, options.json)


def _restore(options: argparse.Namespace) -> int:
    from sendmill.commands import backup

    return backup.restore(options.path, options.in_doubt, options.sent, options.replace, options.json)


def _prune(options: argparse.Namespace) -> int:
    from django.conf import settings

    from sendmill.commands import prune

    keeping = prune.Keeping(
        options.results_days or settings.SENDMILL_KEEP_RESULTS_DAYS,
        options.imports_days or settings.SENDMILL_KEEP_IMPORTS_DAYS,
        options.audit_days or settings.SENDMILL_KEEP_AUDIT_DAYS,
    )
    return prune.prune(keeping, options.archive, options.dry_run)


def _status(options: argparse.Namespace) -> int:
    from sendmill.commands.status import show_status

    return show_status(options.client, options.json)


def _demo(options: argparse.Namespace) -> int:
    from sendmill.demo.play import play_demo

    return play_demo(once=options.once)


def _add_client(options: argparse.Namespace) -> int:
    from sendmill.commands import client

    return client.add(options.name, options.email, options.password, options.json)


def _add_operator(options: argparse.Namespace) -> int:
    from sendmill.commands import operator

    return operator.add(options.email)


def _set_client(options: argparse.Namespace) -> int:
    from sendmill.commands import client

    return client.set_footer(options.client, options.footer, options.postal_address, options.language, options.json)


def _add_token(options: argparse.Namespace) -> int:
    from sendmill.commands import client

    return client.add_token(options.client, options.json)


def _add_dkim_key(options: argparse.Namespace) -> int:
    from sendmill.commands import dkim

    return dkim.add(options.domain, options.selector, options.algorithm, options.client, options.json)


def _list_dkim_keys(options: argparse.Namespace) -> int:
    from sendmill.commands import dkim

    return dkim.show_all(options.json)


def _remove_dkim_key(options: argparse.Namespace) -> int:
    from sendmill.commands import dkim

    return dkim.remove(options.domain, options.selector)


def _set_limit(options: argparse.Namespace) -> int:
    from sendmill.commands import limit

    return limit.set_limit(options.kind, options.name, options.rate, options.connections, options.weight)


def _list_limits(options: argparse.Namespace) -> int:
    from sendmill.commands import limit

    return limit.show_all(options.json)


def _remove_limit(options: argparse.Namespace) -> int:
    from sendmill.commands import limit

    return limit.remove(options.kind, options.name)


def _import(options: argparse.Namespace) -> int:
    from sendmill.commands.import_file import import_file

    return import_file(
        options.file,
        options.client,
        options.group,
        options.action,
        email_column=options.email_column,
        name_column=options.name_column,
        dry_run=options.dry_run,
    )


def _export_contacts(options: argparse.Namespace) -> int:
    from sendmill.commands import export

    return export.export_contacts(options.client, options.group, options.raw)


def _export_results(options: argparse.Namespace) -> int:
    from sendmill.commands import export

    return export.export_results(options.client, options.start_date, options.end_date, options.campaign, options.raw)


def _erase(options: argparse.Namespace) -> int:
    from sendmill.commands.erase import erase_person

    return erase_person(options.client, options.email, options.json)


if __name__ == "__main__":
    sys.exit(main())
