"""Puts the engine's library into the wheel, and into the wheel's name the machines that it is for."""

import os
import sys

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class EngineHook(BuildHookInterface):
    """The target is BURST_NER_TARGET, a name in TARGETS of tools/engine.py, or else this machine."""

    def initialize(self, version, build_data):
        sys.path.insert(0, self.root)
        from tools.engine import LICENCE, library, library_name, licence, this_machine
        from tools.wheel import PLATFORMS

        target = os.environ.get("BURST_NER_TARGET") or this_machine()
        build_data["force_include"][str(library(target))] = f"burst_ner/{library_name(target)}"
        build_data["force_include"][str(licence())] = f"burst_ner/{LICENCE}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{PLATFORMS[target]}"
