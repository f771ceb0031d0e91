class Unsupported(Exception):
    """The engine cannot represent something of a pipeline, so spaCy has to run it.

    The message says what, as the end of a sentence: `its 'ner' is of another kind`.
    """
