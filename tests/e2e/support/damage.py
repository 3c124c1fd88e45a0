"""damage.py - damage that takes more than a flipped byte, for damage.test.mjs

damage.py drop-row FILE       rewrite a Parquet file without its first row; prints that event_id
damage.py double-row FILE     with its first row twice; prints that event_id
damage.py change-value FILE   with another event_name in its first row; prints that event_id
damage.py edit FILE FROM TO   replace a text in a checkpoint (a regular expression), checksum made right
"""
import ctypes
import re
import sys
import uuid


def rewrite(path, change):
    import pyarrow.parquet as parquet

    table = parquet.ParquetFile(path).read()
    first = table.slice(0, 1)
    value = first.column("event_id")[0].as_py()
    print(value if isinstance(value, uuid.UUID) else uuid.UUID(bytes=value))
    parquet.write_table(change(table, first), path, compression="zstd")


def drop(table, first):
    return table.slice(1)


def double(table, first):
    import pyarrow

    return pyarrow.concat_tables([table, first])


def change(table, first):
    import pyarrow

    place = table.schema.get_field_index("event_name")
    names = table.column(place).to_pylist()
    names[0] = names[0][::-1]
    return table.set_column(place, table.schema.field(place), pyarrow.array(names))


def edit(path, old, new):
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    with open(path, "rb") as file:
        line = file.read().split(b"\n")[0]
    changed, count = re.subn(old.encode(), new.encode(), line, count=1)
    assert count == 1 and changed != line, f"{old} is not in {path}"
    checksum = library.XXH3_64bits(changed, ctypes.c_size_t(len(changed)))
    with open(path, "wb") as file:
        file.write(changed + b"\nxxh3:%016x\n" % checksum)


if __name__ == "__main__":
    verb, path = sys.argv[1:3]
    if verb == "edit":
        edit(path, *sys.argv[3:5])
    else:
        rewrite(path, {"drop-row": drop, "double-row": double, "change-value": change}[verb])
