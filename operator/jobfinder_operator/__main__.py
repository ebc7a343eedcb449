"""`python -m jobfinder_operator crd` applies the CustomResourceDefinition of JobFinderConfig to the cluster."""

import argparse
import sys
from pathlib import Path

import yaml
from lightkube.core.client import Client
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.types import PatchType

CRD = Path(__file__).with_name("crd.yaml")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m jobfinder_operator")
    commands = parser.add_subparsers(dest="command", required=True)
    crd = commands.add_parser("crd", help="apply the definition of JobFinderConfig that this version brings")
    crd.add_argument("--print", action="store_true", dest="show", help="print it and apply nothing")
    given = parser.parse_args(arguments)
    if given.show:
        sys.stdout.write(CRD.read_text())
        return 0
    try:
        apply_crd()
    except (ApiError, ConfigError) as error:
        sys.stderr.write(f"the definition could not be applied: {error}\n")
        return 1
    return 0


def apply_crd() -> None:
    """Server-side apply; takes over the fields that Helm wrote on install. Raises ApiError, ConfigError."""
    definition = yaml.safe_load(CRD.read_text())
    Client().patch(
        CustomResourceDefinition,
        definition["metadata"]["name"],
        definition,
        patch_type=PatchType.APPLY,
        field_manager="jobfinder-operator",
        force=True,
    )


if __name__ == "__main__":
    sys.exit(main())
