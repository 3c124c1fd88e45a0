// unity_native.mjs [--check] - client/include/playtrace.h as C#: writes Native.cs of the Unity package
//
// One source for both languages: names, order and types are the header's. With --check nothing is written; exit 1
// where the file is not what the header makes it. What the C compiler lays out is compared by
// tests/interop/unity.test.mjs, which reads the header through readHeader() too.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const headerPath = path.join(root, 'client/include/playtrace.h');
const nativePath = path.join(root, 'client/unity/com.playtrace.sdk/Runtime/Native.cs');

// Not for C#: what _track_with() and _event_init_in() do too, the transports of the default table, which C# replaces
// as a whole, and the count of calls that C# cannot make.
const unbound = /^playtrace_(track|track_id|event_init|status_name|http_curl_.*|misuse_count)$/;
// Where there is no POSIX table there is no symbol, and a player that links statically would miss it.
const notOnWeb = /^playtrace_platform_posix_init$/;

// { macros, structs: Map(name -> [{ name, type }]), enums: Map(name -> Map(name -> value)), functions: [...] }
export function readHeader() {
    const text = fs.readFileSync(headerPath, 'utf8')
        .replace(/\/\*[^]*?\*\//g, '')
        .replace(/\\\n/g, ' ');
    const macros = new Map([...text.matchAll(/^#define (PLAYTRACE_\w+) +\(?(?:UINT64_C\()?(\d+)u?\)*\s*$/gm)]
        .map(([, name, value]) => [name, Number(value)]));
    const code = text.replace(/^ *#.*$/gm, '');
    const enums = new Map();
    for (const [, name, body] of code.matchAll(/^enum (playtrace_\w+) \{([^}]*)\};/gm)) {
        const values = new Map();
        let next = 0;
        for (const item of body.split(',').map((part) => part.trim()).filter(Boolean)) {
            const [key, value] = item.split('=').map((part) => part.trim());
            next = value === undefined ? next : Number(value);
            values.set(key, next++);
        }
        enums.set(name, values);
    }
    const structs = new Map();
    for (const [, name, body] of code.matchAll(/^struct (playtrace_\w+) \{([^}]*)\};/gm)) {
        structs.set(name, body.split(';').map((part) => part.trim().replace(/\s+/g, ' ')).filter(Boolean)
            .map((field) => readField(field, macros)));
    }
    const functions = [];
    const declarations = code.replace(/\{[^}]*\}/g, '').split(';').map((part) => part.trim().replace(/\s+/g, ' '));
    for (const declaration of declarations) {
        const found = /^(?:extern "C" )?((?:const )?(?:enum |struct )?\w+ \*?)(playtrace_\w+)\((.*)\)$/.exec(declaration);
        if (found) {
            const [, result, name, list] = found;
            const parameters = list === 'void' ? [] : split(list).map((one) => readField(one, macros));
            functions.push({ name, result: result.trim(), parameters });
        }
    }
    return { macros, structs, enums, functions };
}

function split(list) {
    const parts = [];
    let depth = 0;
    let part = '';
    for (const letter of list) {
        depth += letter === '(' ? 1 : letter === ')' ? -1 : 0;
        if (letter === ',' && depth === 0) {
            parts.push(part.trim());
            part = '';
        } else {
            part += letter;
        }
    }
    return [...parts, part.trim()];
}

// "const char *url" -> { name: 'url', type: 'const char *' }; arrays have a length, functions the type 'function'.
function readField(field, macros) {
    const pointer = /\(\*(\w+)\)\(/.exec(field);
    if (pointer) {
        return { name: pointer[1], type: 'function' };
    }
    const array = /^(.*?)(\w+)\[([\w +]+)\]$/.exec(field);
    if (array) {
        const terms = array[3].split('+').map((term) => macros.get(term.trim()) ?? Number(term));
        return { name: array[2], type: array[1].trim(), length: terms.reduce((sum, term) => sum + term) };
    }
    const [, type, name] = /^(.*?)(\w+)$/.exec(field);
    return { name, type: type.trim() };
}

const scalars = {
    bool: 'byte', char: 'byte', uint8_t: 'byte', uint16_t: 'ushort', int: 'int', unsigned: 'uint', int32_t: 'int', uint32_t: 'uint',
    int64_t: 'long', uint64_t: 'ulong', size_t: 'UIntPtr', double: 'double', void: 'void',
};

const pascal = (name) => name.split('_').map((word) => word[0].toUpperCase() + word.slice(1)).join('');

function csharpType(type) {
    const plain = type.replace(/\bconst\b/g, '').replace(/\s+/g, ' ').trim();
    const [, base, stars] = /^(.*?) ?((?:\* ?)*)$/.exec(plain);
    const depth = stars.replace(/ /g, '');
    if (type === 'function') {
        return 'IntPtr';
    }
    if (base.startsWith('enum ')) {
        return pascal(base.slice(5)) + depth;
    }
    if (base === 'struct playtrace') {
        return `IntPtr${depth.slice(1)}`;
    }
    if (base.startsWith('struct ')) {
        return base.slice(7) + depth;
    }
    if (base === 'void' && depth) {
        return type.startsWith('const') ? `byte${depth}` : `IntPtr${depth.slice(1)}`;
    }
    if (!(base in scalars)) {
        throw new Error(`unity_native: no C# type for "${type}"`);
    }
    return scalars[base] + depth;
}

// What only tells C how to walk memory: reserved words get an @.
const safe = (name) => (['event', 'params', 'out', 'ref', 'string', 'lock', 'default'].includes(name) ? `@${name}` : name);

function struct([name, fields]) {
    const lines = fields.map(({ name: field, type, length }) => {
        if (length === undefined) {
            return `            public ${csharpType(type)} ${safe(field)};`;
        }
        return `            public fixed ${csharpType(type)} ${safe(field)}[${length}];`;
    });
    return ['        [StructLayout(LayoutKind.Sequential)]', `        public struct ${name}`, '        {', ...lines, '        }'].join('\n');
}

function method({ name, result, parameters }, structs) {
    const clash = structs.has(name); // C keeps structs and functions apart, C# does not
    const list = parameters.map((one) => `${csharpType(one.type)}${one.length === undefined ? '' : '*'} ${safe(one.name)}`);
    const entry = clash ? `, EntryPoint = "${name}"` : '';
    const head = `        public static extern ${csharpType(result)} ${name}${clash ? '_get' : ''}(`;
    let line = head;
    const lines = [];
    for (const [at, one] of list.entries()) {
        const piece = one + (at + 1 < list.length ? ', ' : '');
        if (line.length + piece.length > 116) {
            lines.push(line.trimEnd());
            line = ' '.repeat(12);
        }
        line += piece;
    }
    lines.push(`${line});`);
    const text = [`        [DllImport(Library, CallingConvention = CallingConvention.Cdecl${entry})]`, ...lines];
    return notOnWeb.test(name) ? ['#if !UNITY_WEBGL || UNITY_EDITOR', ...text, '#endif'].join('\n') : text.join('\n');
}

export function isBound(name) {
    return !unbound.test(name);
}

export function render() {
    const { macros, structs, functions } = readHeader();
    const constants = [...macros].map(([name, value]) =>
        `        public const int ${name} = ${value};`);
    return `// Native.cs - client/include/playtrace.h as C# sees it; written by tools/unity_native.mjs, not by hand
//
// Names, order and types are the header's, so that both can be read side by side. All structs are blittable: bool is
// a byte, texts are pointers, functions are addresses. Nothing outside of this assembly sees them.
using System;
using System.Runtime.InteropServices;

#if !UNITY_2021_3_OR_NEWER
namespace AOT
{
    // The engine has this attribute; without the engine (the tests) it is here. IL2CPP goes by its name.
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class MonoPInvokeCallbackAttribute : Attribute
    {
        public MonoPInvokeCallbackAttribute(Type type)
        {
        }
    }
}
#endif

namespace PlaytraceSdk
{
    internal static unsafe class Native
    {
#if (UNITY_WEBGL || UNITY_IOS || UNITY_TVOS || UNITY_VISIONOS) && !UNITY_EDITOR
        public const string Library = "__Internal"; // linked into the player
#else
        public const string Library = "playtrace";
#endif

${constants.join('\n')}

${[...structs].map(struct).join('\n\n')}

${functions.filter(({ name }) => isBound(name)).map((one) => method(one, structs)).join('\n\n')}
    }
}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const text = render();
    if (process.argv[2] === '--check') {
        if (fs.readFileSync(nativePath, 'utf8') !== text) {
            console.error('unity_native: Native.cs is not what the header makes it: run node tools/unity_native.mjs');
            process.exit(1);
        }
    } else {
        fs.writeFileSync(nativePath, text);
    }
}
