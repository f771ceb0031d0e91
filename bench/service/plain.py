"""A handler of the usual kind: the whole pipeline loaded by `spacy.load` at import, one text a request."""

import json
import os

import spacy

nlp = spacy.load(os.environ["SPACY_MODEL_PATH"])


def handler(event, context):
    text = json.loads(event["body"])["text"]
    entities = [
        {"text": entity.text, "label": entity.label_, "start_char": entity.start_char, "end_char": entity.end_char}
        for entity in nlp(text).ents
    ]
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"entities": entities}),
    }
