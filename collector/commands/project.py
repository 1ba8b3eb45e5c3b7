"""Projects: a team with all its apps. Host patterns say which hosts are the project's; without
any, a host is admitted when it is reported from three networks, or from this machine.
"""

from __future__ import annotations

import argparse
import shlex
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall project add wallet --host '*.example.com' --host api.example.net
  pinfall project set wallet --host '*.example.com'      all its patterns from here on
  pinfall project list
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in (("add", "make a project"), ("set", "give a project other host patterns")):
        action = actions.add_parser(name, help=words)
        action.add_argument("name", metavar="NAME")
        action.add_argument(
            "--host", action="append", default=[], metavar="PATTERN", help="may be repeated"
        )
        add_data(action)
    add_data(actions.add_parser("list", help="projects with their host patterns"))


def run(told: argparse.Namespace) -> int:
    if told.action == "add":
        made = request(told, "POST", "/api/v1/projects", {"name": told.name, "hosts": told.host})
        name = shlex.quote(made["name"])
        print(f"made project '{made['name']}'; next: pinfall key add --project {name} --app APP")
        return 0
    if told.action == "set":
        path = f"/api/v1/projects/{quote(told.name, safe='')}"
        made = request(told, "PATCH", path, {"hosts": told.host})
        print(f"hosts of '{shown(made['name'])}': {shown(', '.join(made['hosts']) or 'any host')}")
        return 0
    for project in request(told, "GET", "/api/v1/projects")["projects"]:
        hosts = ", ".join(project["hosts"]) or "any host"
        print(f"{shown(project['name']):24} {project['keys']:>3} keys  {shown(hosts)}")
    return 0
