#!/usr/bin/env python3
"""Use a schema registry with Confluent's own client, and say what went otherwise than it should.

    confluent_check.py URL        the registry, such as http://127.0.0.1:8080/registry

Registers, looks up, reads, checks, configures and deletes JSON Schemas through SchemaRegistryClient, and takes an
event through JSONSerializer and JSONDeserializer without a broker. Prints one JSON object: the number of
checks and the list of those that failed; exit 1 where there are any.
"""
import json
import sys

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

FIRST = {"type": "object", "title": "purchase",
         "properties": {"price": {"type": "integer"}, "currency": {"type": "string"}},
         "required": ["price"], "additionalProperties": False}
WIDER = {**FIRST, "properties": {**FIRST["properties"], "price": {"type": "number"},
                                 "größe": {"type": "string", "maxLength": 5}}}
NARROWER = {**FIRST, "required": ["price", "currency"]}

checks = 0
failed = []


def check(what, condition):
    global checks
    checks += 1
    if not condition:
        failed.append(what)


def refused(what, http_status, error_code, call):
    global checks
    checks += 1
    try:
        result = call()
        failed.append(f"{what}: was not refused, gave {result}")
    except SchemaRegistryError as error:
        if (error.http_status_code, error.error_code) != (http_status, error_code):
            failed.append(f"{what}: {error.http_status_code} {error.error_code} {error.error_message}")


def schema(value, references=None):
    return Schema(json.dumps(value), "JSON", references or [])


def subjects_and_versions(client):
    check("no subject at first", client.get_subjects() == [])
    first = client.register_schema("purchase", schema(FIRST))
    check("registered again, the same id", client.register_schema("purchase", schema(FIRST)) == first)
    check("in other blanks and order, the same id", client.register_schema(
        "purchase", Schema(json.dumps(dict(reversed(FIRST.items())), indent=3), "JSON")) == first)
    check("in another subject, the same id", client.register_schema("refund", schema(FIRST)) == first)
    second = client.register_schema("purchase", schema(WIDER))
    check("another schema, another id", second > first)
    check("subjects by prefix", client.get_subjects(subject_prefix="ref") == ["refund"])
    check("subjects", client.get_subjects() == ["purchase", "refund"])
    check("versions", client.get_versions("purchase") == [1, 2])
    check("by id", json.loads(client.get_schema(first).schema_str) == FIRST)
    check("type by id", client.get_schema(second).schema_type == "JSON")
    latest = client.get_latest_version("purchase")
    check("latest", (latest.version, latest.schema_id, latest.subject) == (2, second, "purchase"))
    check("latest's text", json.loads(latest.schema.schema_str) == WIDER)
    check("version 1", client.get_version("purchase", 1).schema_id == first)
    found = client.lookup_schema("purchase", schema(WIDER))
    check("lookup", (found.version, found.schema_id) == (2, second))
    refused("lookup of another", 404, 40403,
            lambda: client.lookup_schema("purchase", schema({"type": "null"})))
    refused("lookup in no subject", 404, 40401,
            lambda: client.lookup_schema("nothing", schema(FIRST)))
    refused("no subject", 404, 40401, lambda: client.get_latest_version("nothing"))
    refused("no version", 404, 40402, lambda: client.get_version("purchase", 9))
    refused("no id", 404, 40403, lambda: client.get_schema(4711))
    refused("not a schema", 422, 42201,
            lambda: client.register_schema("purchase", schema({"type": "objekt"})))
    refused("not JSON", 422, 42201, lambda: client.register_schema("x", Schema("{", "JSON")))
    refused("Avro", 422, 42201, lambda: client.register_schema("x", Schema('"string"', "AVRO")))


def compatibility(client):
    check("may follow", client.test_compatibility("purchase", schema({**WIDER, "title": "other"})))
    check("may not follow", not client.test_compatibility("purchase", schema(NARROWER)))
    check("against version 1", not client.test_compatibility("purchase", schema(NARROWER), 1))
    refused("an incompatible version", 409, 409,
            lambda: client.register_schema("purchase", schema(NARROWER)))
    check("the default", client.get_compatibility() == "BACKWARD")
    refused("no mode of its own", 404, 40408, lambda: client.get_compatibility("purchase"))
    client.set_compatibility("purchase", "FORWARD")
    check("a mode of its own", client.get_compatibility("purchase") == "FORWARD")
    check("forward it goes", client.test_compatibility("purchase", schema(
        {**WIDER, "required": ["price", "currency"]})))
    client.set_compatibility("purchase", "NONE")
    check("anything goes", client.test_compatibility("purchase", schema({"type": "string"})))
    client.set_compatibility("purchase", "BACKWARD_TRANSITIVE")
    client.set_compatibility(level="FULL")
    check("the global mode", client.get_compatibility() == "FULL")
    client.set_compatibility(level="BACKWARD")
    refused("no mode of that name", 422, 42203,
            lambda: client.set_compatibility("purchase", "SIDEWAYS"))


def references(client):
    client.register_schema("money", schema({"type": "object", "properties": {
        "amount": {"type": "number"}}, "required": ["amount"]}))
    offer = {"type": "object", "properties": {"price": {"$ref": "money.json"}}}
    refused("a reference that is not there", 422, 42201,
            lambda: client.register_schema("offer", schema(offer)))
    reference = SchemaReference("money.json", "money", 1)
    client.register_schema("offer", schema(offer, [reference]))
    found = client.get_latest_version("offer")
    check("references", [(r.name, r.subject, r.version) for r in found.schema.references]
          == [("money.json", "money", 1)])
    refused("referred to", 422, 42206, lambda: client.delete_subject("money"))


def round_trip(client):
    """The event's bytes carry the schema's id; the reader finds the schema by it."""
    context = SerializationContext("purchases", MessageField.VALUE)
    serializer = JSONSerializer(json.dumps(FIRST), client)
    event = {"price": 499, "currency": "EUR"}
    data = serializer(event, context)
    check("magic byte and id", data[0] == 0 and int.from_bytes(data[1:5], "big")
          == client.lookup_schema("purchases-value", schema(FIRST)).schema_id)
    deserializer = JSONDeserializer(json.dumps(FIRST), schema_registry_client=client)
    check("the event comes back", deserializer(data, context) == event)
    global checks
    checks += 1
    try:
        serializer({"price": "free"}, context)
        failed.append("an event against the schema was serialized")
    except Exception as error:  # the client has a class of its own for each format
        if "free" not in str(error):
            failed.append(f"an event against the schema: {error}")


def deletion(client):
    check("a version is deleted", client.delete_version("purchase", 1) == 1)
    check("the other is left", client.get_versions("purchase") == [2])
    refused("deleted is gone", 404, 40402, lambda: client.get_version("purchase", 1))
    check("a subject is deleted", client.delete_subject("purchase") == [2])
    refused("the subject is gone", 404, 40401, lambda: client.get_versions("purchase"))
    refused("for good at once", 404, 40405, lambda: client.delete_subject("refund", permanent=True))
    check("softly", client.delete_subject("refund") == [1])
    check("then for good", client.delete_subject("refund", permanent=True) == [1])
    refused("twice", 404, 40401, lambda: client.delete_subject("refund"))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    # A client of its own each time: what it has cached is not asked for again.
    for part in (subjects_and_versions, compatibility, references, round_trip, deletion):
        part(SchemaRegistryClient({"url": sys.argv[1]}))
    print(json.dumps({"checks": checks, "failed": failed}, ensure_ascii=False))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
