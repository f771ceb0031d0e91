"""What the function imports, and so what a cold start pays for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import spacy

SERVICE = Path(__file__).parent.parent

# For each minor version of spaCy that was looked at: modules in a process that has loaded a prepared model and answered
# one text, with some room for the differences between Python versions. A plain `import spacy` has 1,066.
MOST_MODULES = {"3.8": 780}

# What spaCy's command line brings, and what this service must not bring.
UNWANTED = {"click", "httpx", "jinja2", "jsonschema", "pygments", "requests", "rich", "smart_open", "typer", "weasel"}

LOOK = """
import json, os, sys
from burst_ner.model import load
from pathlib import Path
nlp, _ = load(Path(sys.argv[1]))
found = [(e.text, e.label_) for e in nlp("Angela Merkel visited Paris.").ents]
modules, threads = list(sys.modules), os.environ["OMP_NUM_THREADS"]
import spacy.cli
print(json.dumps([found, modules, threads, callable(spacy.cli.info)]))
"""


def look(model):
    result = subprocess.run(
        [sys.executable, "-c", LOOK, model], cwd=SERVICE, capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def loaded(prepared_path):
    return look(prepared_path)


def test_only_what_ner_needs_is_imported(loaded):
    found, modules, threads, _ = loaded
    assert found == [["Angela Merkel", "PERSON"], ["Paris", "GPE"]]
    assert {name.partition(".")[0] for name in modules} & UNWANTED == set()
    assert [name for name in modules if name.startswith("spacy.cli")] == []
    minor = ".".join(spacy.__version__.split(".")[:2])
    assert minor in MOST_MODULES, f"look at what spaCy {minor} imports, and add it to MOST_MODULES"
    assert len(modules) <= MOST_MODULES[minor]
    assert threads == "1"


def test_the_command_line_of_spacy_can_still_be_imported(loaded):
    assert loaded[3]


def test_a_prepared_model_needs_no_more_than_a_plain_one(loaded, model_path):
    assert len(loaded[1]) <= len(look(model_path)[1]) + 10


def test_numpy_is_told_of_one_thread_before_it_is_imported():
    code = (
        "import sys, os, burst_ner.imports; assert 'numpy' not in sys.modules; "
        "import importlib.abc\n"
        "class Watch(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'numpy': print(os.environ.get('OMP_NUM_THREADS'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "burst_ner.imports.import_spacy()"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=SERVICE, capture_output=True, text=True, check=True)
    assert result.stdout == "1\n"
