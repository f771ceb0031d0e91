"""What the function imports, and so what a cold start pays for."""

import json
import subprocess
import sys
from pathlib import Path

import spacy

SERVICE = Path(__file__).parent.parent

# Of the function on the engine: what answers its first request, from the start of Python on. Each of these takes
# 2 to 40 ms of CPU, and none is needed: `typing` and `dataclasses` for annotations, `uuid` for an id, `pathlib` for
# paths, `traceback` for errors alone. The runtime itself has imported some of them.
HEAVY = {"typing", "dataclasses", "inspect", "uuid", "pathlib", "importlib.metadata", "packaging", "email", "logging"}
HEAVY |= {"traceback", "tempfile", "shutil", "subprocess", "contextlib", "numpy", "spacy", "thinc"}

ANSWER = """
import json, sys, types
before = set(sys.modules)
from burst_ner.handler import handler
context = types.SimpleNamespace(aws_request_id="id", function_name="f", get_remaining_time_in_millis=lambda: 30_000)
event = {"requestContext": {"http": {"method": "POST"}}, "body": '{"text": "Angela Merkel visited Paris."}'}
entities = json.loads(handler(event, context)["body"])["entities"]
print(json.dumps([[(e["text"], e["label"]) for e in entities], sorted(set(sys.modules) - before)]))
"""

# For each minor version of spaCy that was looked at: modules in a process that has loaded a pipeline and answered one
# text, with some room for the differences between Python versions. A plain `import spacy` has 1,066.
MOST_MODULES = {"3.8": 830}

# What spaCy's command line brings, and what this service must not bring.
UNWANTED = {"click", "httpx", "jinja2", "jsonschema", "pygments", "requests", "rich", "smart_open", "typer", "weasel"}


def run(code, **environment):
    # -S: packages that are installed import things at the start, too.
    command = [sys.executable, "-S", "-c", code]
    result = subprocess.run(command, cwd=SERVICE, env=environment, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def test_the_engine_needs_nothing_that_takes_long_to_import(prepared_path):
    found, modules = run(ANSWER, SPACY_MODEL_PATH=str(prepared_path))
    assert found == [["Angela Merkel", "PERSON"], ["Paris", "GPE"]]
    assert {name for name in modules if name in HEAVY or name.partition(".")[0] in HEAVY} == set()


def test_spacy_comes_without_its_command_line(model_path):
    site = str(Path(spacy.__file__).parent.parent)
    found, modules = run(ANSWER, SPACY_MODEL_PATH=str(model_path), PYTHONPATH=site)
    assert found == [["Angela Merkel", "PERSON"], ["Paris", "GPE"]]
    assert {name.partition(".")[0] for name in modules} & UNWANTED == set()
    assert [name for name in modules if name.startswith("spacy.cli")] == []
    minor = ".".join(spacy.__version__.split(".")[:2])
    assert minor in MOST_MODULES, f"look at what spaCy {minor} imports, and add it to MOST_MODULES"
    assert len(modules) <= MOST_MODULES[minor]


def test_the_command_line_of_spacy_can_still_be_imported():
    code = "import json; from burst_ner.imports import import_spacy; import_spacy(); import spacy.cli; "
    site = str(Path(spacy.__file__).parent.parent)
    assert run(f"{code}print(json.dumps(callable(spacy.cli.info)))", PYTHONPATH=site) is True


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


def test_where_spacy_is_not_installed_a_sentence_says_so(model_path):
    command = [sys.executable, "-S", "-c", "import burst_ner.handler"]
    environment = {"SPACY_MODEL_PATH": str(model_path)}
    result = subprocess.run(command, cwd=SERVICE, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(f"burst-ner: SPACY_MODEL_PATH: {model_path} is run by spaCy, which is not here;")
