"""Pipelines as people have them: which run on the engine, which on spaCy and why, which are refused."""

import json
import re
import shutil
from pathlib import Path

import pytest
import spacy
from comparison import with_small_ner
from spacy.language import Language

from burst_ner.errors import SetupError
from burst_ner.model import open_pipeline
from burst_ner.opening import load
from burst_ner_model.build import build

TEXT = "Angela Merkel visited Paris. Berlin is far."


@Language.component("test_quiet")
def quiet(doc):
    return doc


def saved(nlp, folder):
    nlp.meta["name"] = "test"
    folder.parent.mkdir(exist_ok=True)
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def built(tmp_path, capfd):
    """Builds a pipeline; gives the manifest and what was said on stderr."""

    def built(nlp_or_folder, **options):
        folder = nlp_or_folder if isinstance(nlp_or_folder, Path) else saved(nlp_or_folder, tmp_path / "pipeline")
        model = build(open_pipeline(folder), tmp_path / "out", **options)
        return model.manifest, capfd.readouterr().err

    return built


def edited(folder, tmp_path, name, *changes):
    """A copy of a pipeline with other text in one of its files."""
    copy = Path(shutil.copytree(folder, tmp_path / "edited"))
    text = (copy / name).read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (copy / name).write_text(text)
    return copy


def blank(*before):
    nlp = spacy.blank("en")
    for factory in before:
        nlp.add_pipe(factory)
    return with_small_ner(nlp)


class TestOnTheEngine:
    def test_under_another_name(self, built, tmp_path):
        nlp = blank()
        nlp.rename_pipe("ner", "names")
        manifest, _ = built(nlp)
        assert manifest["runs_on"] == "engine"
        assert manifest["labels"] == ["PERSON"]

    def test_a_sentencizer(self, built):
        manifest, _ = built(blank("sentencizer"))
        assert (manifest["runs_on"], manifest["sentences"]) == ("engine", "sentencizer")

    def test_what_says_where_sentences_begin_behind_ner_is_none_of_its_business(self, built):
        nlp = blank()
        nlp.add_pipe("sentencizer")
        manifest, _ = built(nlp)
        assert (manifest["runs_on"], manifest["sentences"]) == ("engine", "none")

    def test_without_sentences(self, built):
        manifest, _ = built(blank("sentencizer"), sentences=False)
        assert (manifest["runs_on"], manifest["sentences"]) == ("engine", "none")

    def test_components_that_are_switched_off(self, built, tmp_path):
        nlp = blank("sentencizer", "entity_ruler")
        nlp.disable_pipe("sentencizer")
        nlp.disable_pipe("entity_ruler")
        manifest, _ = built(nlp)
        assert (manifest["runs_on"], manifest["sentences"]) == ("engine", "none")

    def test_a_span_ruler_that_sets_no_entities(self, built):
        nlp = blank()
        nlp.add_pipe("span_ruler").add_patterns([{"label": "X", "pattern": "Paris"}])
        assert built(nlp)[0]["runs_on"] == "engine"

    def test_made_for_another_minor_version_it_says_so_once(self, built, tmp_path):
        folder = saved(blank(), tmp_path / "pipeline")
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"spacy_version": ">=3.5.0,<3.6.0"}))
        manifest, said = built(folder)
        assert manifest["runs_on"] == "engine"
        assert said.count("\n") == 1
        assert f"made for spaCy >=3.5.0,<3.6.0 and built with {spacy.__version__}" in said

    def test_a_package_that_only_another_component_needs(self, built, tmp_path):
        nlp = spacy.blank("en")
        nlp.add_pipe("tagger").add_label("NN")
        folder = saved(with_small_ner(nlp), tmp_path / "pipeline")
        folder = edited(folder, tmp_path, "config.cfg", ('"spacy.Tagger.v2"', '"gone_package.Tagger.v1"'))
        manifest, said = built(folder)
        assert manifest["runs_on"] == "engine"
        assert said.startswith("Note: built without tagger, which entities do not depend on: ")
        assert "gone_package" in said

    def test_one_folder_deeper(self, built, tmp_path):
        saved(blank(), tmp_path / "package" / "_model")
        assert built(tmp_path / "package")[0]["runs_on"] == "engine"


class TestOnSpacy:
    @pytest.mark.parametrize(
        ("factory", "settings", "reason"),
        [
            ("entity_ruler", {}, "its component 'other' (factory 'entity_ruler') sets entities, too"),
            ("span_ruler", {"annotate_ents": True}, "its component 'other' (factory 'span_ruler') sets entities, too"),
            ("test_quiet", {}, "its component 'other' (factory 'test_quiet') may change entities"),
            ("merge_entities", {}, "its component 'other' (factory 'merge_entities') may change entities"),
        ],
    )
    @pytest.mark.parametrize("place", ["first", "last"])
    def test_entities_of_others_are_not_dropped(self, built, tmp_path, factory, settings, reason, place):
        nlp = blank()
        other = nlp.add_pipe(factory, "other", config=settings, **{place: True})
        if "ruler" in factory:
            other.add_patterns([{"label": "CITY", "pattern": "Paris"}])
        manifest, _ = built(nlp)
        assert (manifest["runs_on"], manifest["proof"]) == ("spacy", None)
        assert manifest["reason"] == f"The engine cannot represent en_test: {reason}."
        recognizer, _ = load(tmp_path / "out")
        [found] = recognizer.recognize([TEXT], 60)
        assert [(e["text"], e["label"]) for e in found] == [(e.text, e.label_) for e in nlp(TEXT).ents]
        assert ("ruler" in factory) == (("Paris", "CITY") in [(e["text"], e["label"]) for e in found])

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (
                lambda nlp: nlp.add_pipe("ner", "second", source=blank()),
                "component 'second' (factory 'ner') sets entities",
            ),
            (lambda nlp: nlp.add_pipe("sentencizer", "again", before="ner"), "sentences begin (sentencizer, again)"),
        ],
    )
    def test_two_of_a_kind(self, built, change, reason):
        nlp = blank("sentencizer")
        change(nlp)
        manifest, _ = built(nlp)
        assert manifest["runs_on"] == "spacy"
        assert reason in manifest["reason"]

    def test_two_that_split_sentences_do_not_matter_without_sentences(self, built):
        nlp = blank("sentencizer")
        nlp.add_pipe("sentencizer", "again", before="ner")
        assert built(nlp, sentences=False)[0]["runs_on"] == "engine"

    def test_a_beam(self, built):
        nlp = spacy.blank("en")
        nlp.add_pipe("beam_ner").add_label("PERSON")
        nlp.initialize()
        assert "'beam_ner' searches with a beam" in built(nlp)[0]["reason"]

    def test_rulers_alone(self, built):
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "CITY", "pattern": "Paris"}])
        manifest, _ = built(nlp)
        assert "its entities come from 'entity_ruler'" in manifest["reason"]
        assert manifest["labels"] == ["CITY"]

    def test_what_is_written_before_ner_reads(self, built, tmp_path):
        nlp = blank()
        ruler = nlp.add_pipe("attribute_ruler", before="ner")
        ruler.add([[{"LOWER": "paris"}]], {"LEMMA": "city"})
        folder = saved(nlp, tmp_path / "harmless")
        assert built(folder)[0]["runs_on"] == "engine"
        shutil.rmtree(tmp_path / "out")
        ruler.add([[{"LOWER": "paris"}]], {"NORM": "city"})
        assert "its 'attribute_ruler' writes NORM before 'ner'" in built(nlp)[0]["reason"]

    def test_a_tokenizer_of_its_own(self, built):
        manifest, _ = built(with_small_ner(spacy.blank("zh")))
        assert "its tokenizer is not spaCy's own but spacy.lang.zh.ChineseTokenizer" in manifest["reason"]

    def test_the_pipeline_is_kept_as_it_is(self, built, tmp_path):
        nlp = blank("sentencizer", "entity_ruler")
        nlp.disable_pipe("sentencizer")
        (saved(nlp, tmp_path / "pipeline") / "LICENSE").write_text("as you like")
        manifest, _ = built(tmp_path / "pipeline")
        theirs, ours = (
            {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
            for f in (tmp_path / "pipeline", tmp_path / "out" / "pipeline")
        )
        assert ours == theirs
        assert set(manifest["files"]) == {"LICENSE", *(f"pipeline/{name}" for name in theirs)}


class TestRefused:
    @pytest.fixture
    def refused(self, built, tmp_path):
        def refused(pipeline):
            with pytest.raises(SetupError) as error:
                built(pipeline)
            assert not [path for path in tmp_path.iterdir() if path.name.startswith((".", "out"))]
            assert "\n" not in str(error.value)
            return str(error.value)

        return refused

    def test_nothing_that_sets_entities(self, refused):
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer")
        assert "has no component that sets entities (it has: sentencizer (sentencizer))" in refused(nlp)
        assert "(it has: none)" in refused(spacy.blank("en"))

    def test_another_component_called_ner(self, refused):
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer", "ner")
        assert "has no component that sets entities (it has: ner (sentencizer))" in refused(nlp)

    def test_ner_that_is_switched_off(self, refused):
        nlp = blank()
        nlp.disable_pipe("ner")
        assert "The 'ner' of the pipeline en_test is switched off" in refused(nlp)

    def test_ner_that_was_never_trained(self, refused):
        nlp = spacy.blank("en")
        nlp.add_pipe("ner").add_label("PERSON")
        assert "The 'ner' of the pipeline was never trained" in refused(nlp)

    def test_ner_without_labels(self, refused):
        nlp = spacy.blank("en")
        nlp.add_pipe("ner")
        nlp.initialize()
        assert "knows no label" in refused(nlp)

    def test_a_package_that_entities_depend_on(self, refused, tmp_path):
        folder = saved(blank(), tmp_path / "pipeline")
        folder = edited(folder, tmp_path, "config.cfg", ('"spacy.MultiHashEmbed.v2"', '"gone_package.Embed.v1"'))
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"requirements": ["gone-package>=1", "spacy", "%"]}))
        sentence = refused(folder)
        assert "cannot load the pipeline" in sentence
        assert sentence.endswith("-m pip install 'gone-package>=1'")

    @pytest.mark.parametrize("version", [">=2.3.0,<2.4.0", "2.0.0", ">=4.0.0"])
    def test_another_major_version(self, refused, tmp_path, version):
        folder = saved(blank(), tmp_path / "pipeline")
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"spacy_version": version}))
        if version[2:].startswith("2") or version.startswith("2"):
            (folder / "config.cfg").unlink()  # spaCy 2 had none
        assert f"was made for spaCy {version}, and this is spaCy {spacy.__version__}, which cannot read it" in refused(
            folder
        )

    def test_several_pipelines(self, refused, tmp_path):
        for name in ("one", "two"):
            saved(blank(), tmp_path / "several" / name)
        assert "holds several pipelines (one, two)" in refused(tmp_path / "several")

    def test_the_first_difference(self, refused, monkeypatch):
        monkeypatch.setattr("burst_ner.engine.Engine.recognize", lambda *_: [[]] * 16)
        assert re.fullmatch(
            r"The engine and spaCy differ in sentence \d+ of the tool's own: "
            r"only the pipeline has PERSON at \[\d+:\d+\]\. "
            r"The model was not kept; please report it with the name and version of the pipeline\.",
            refused(eager()),
        )

    @pytest.mark.parametrize(
        ("spoil", "expected"),
        [
            (lambda tokens: [(s, e + 1, n, b) for s, e, n, b in tokens], "they have other tokens at character"),
            (lambda tokens: tokens[:-1], "they have other tokens at character"),
            (lambda tokens: [(s, e, n + 1, b) for s, e, n, b in tokens], "has another norm"),
            (lambda tokens: [(s, e, n, 1 - b) for s, e, n, b in tokens], "only one of them begins a sentence"),
        ],
    )
    def test_the_first_difference_of_tokens(self, refused, monkeypatch, spoil, expected):
        from burst_ner.engine import Engine

        tokens = Engine.tokens
        monkeypatch.setattr(Engine, "tokens", lambda engine, text: spoil(tokens(engine, text)))
        assert expected in refused(blank("sentencizer"))


def eager():
    """A pipeline whose `ner` finds entities."""
    nlp = blank()
    upper = nlp.get_pipe("ner").model.get_ref("upper")
    bias = upper.get_param("b").copy()
    names = [nlp.get_pipe("ner").moves.get_class_name(i) for i in range(len(bias))]
    bias[names.index("U-PERSON")] = 1
    upper.set_param("b", bias)
    return nlp
