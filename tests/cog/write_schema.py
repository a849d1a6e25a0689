"""Writes .cog/openapi_schema.json for a predictor, as ``cog build`` would have; run in the model's folder by its Cog.

The server (0.21 and newer) never makes the schema itself: without this file it checks no input and streams nothing.
usage: python write_schema.py predict.py:Predictor
"""

import json
import os
import sys

sys.path.insert(0, os.getcwd())

from cog import _adt, _inspector

LIMITS = {"description": "description", "ge": "minimum", "le": "maximum", "min_length": "minLength",
          "max_length": "maxLength", "regex": "pattern"}  # fmt: skip
OPTIONAL = (_adt.Repetition.OPTIONAL, _adt.Repetition.OPTIONAL_REPEATED)


def document(file_name, class_name):
    """The document, and whether the predictor asks to be streamed."""
    module = file_name.removesuffix(".py")
    info = _inspector.create_predictor(module, class_name)
    properties, required, more = {}, [], {}
    with open(file_name) as source:
        text = source.read()
    for order, field in enumerate(sorted(info.inputs.values(), key=lambda field: field.order)):
        properties[field.name] = {"x-order": order, **property_of(field, more)}
        nullable = field.type.repetition in OPTIONAL or "Secret" in str(field.type)
        default = default_of(field)
        if nullable:
            properties[field.name]["nullable"] = True
        if default is not None:
            properties[field.name]["default"] = default
        elif not nullable:
            required.append(field.name)
    inputs = {"title": "Input", "type": "object", "properties": properties, "required": required}
    if not required:
        del inputs["required"]
    return whole(inputs, info.output.json_type(), more, "@streaming" in text)


def property_of(field, more):
    described = field.type.json_type()
    if field.choices:
        more[field.name] = {"title": field.name, "type": described["type"], "enum": list(field.choices)}
        return {"allOf": [{"$ref": "#/components/schemas/" + field.name}]}
    said = {word: getattr(field, name) for name, word in LIMITS.items()}
    limits = {word: value for word, value in said.items() if value is not None}
    return {**described, "title": field.name.title(), **limits}


def default_of(field):
    factory = getattr(field.default, "default_factory", None)
    if factory:
        return factory()
    return None if callable(field.default) else field.default


def whole(inputs, output, more, streams):
    properties = {"id": {"type": "string"}, "input": {"$ref": "#/components/schemas/Input"}}
    request = {"type": "object", "properties": properties}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/PredictionRequest"}}}
    post = {"requestBody": {"content": content}, "responses": {"200": {"description": "Successful Response"}}}
    if streams:
        post["x-cog-streaming"] = True
    schemas = {"Input": inputs, "Output": output, "PredictionRequest": request, **more}
    return {"openapi": "3.0.2", "info": {"title": "Cog", "version": "0.1.0"},
            "paths": {"/predictions": {"post": post}}, "components": {"schemas": schemas}}  # fmt: skip


if __name__ == "__main__":
    os.makedirs(".cog", exist_ok=True)
    with open(".cog/openapi_schema.json", "w") as target:
        json.dump(document(*sys.argv[1].split(":")), target)
