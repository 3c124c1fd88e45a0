// unity_package.mjs [meta | DIR] - the Unity package as it is released: DIR/com.playtrace.sdk-VERSION.tgz
//
// The repository holds the package without any copy of the C sources and without libraries. This puts both in:
// Plugins/WebGL gets the core, the wire format and the browser's platform as sources (Unity's emscripten compiles
// them; includes are rewritten, as all files lie in one folder there), Plugins/Linux/x86_64 gets the library that
// build/client/engine holds (`ninja -C build playtrace_engine`). DIR defaults to build/unity.
//
// `meta` writes the .meta files that the package in the repository lacks. A GUID is the hash of the file's path
// within the package: the same on every machine and in every version.
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
export const packageDir = path.join(root, 'client/unity/com.playtrace.sdk');

// Every file and folder that Unity imports, as paths within `dir`; what ends in ~ is not imported itself, but what
// lies in Samples~ is copied into a project with its .meta files.
export function imported(dir, under = '') {
    return fs.readdirSync(path.join(dir, under), { withFileTypes: true }).flatMap((entry) => {
        const name = path.posix.join(under, entry.name);
        if (entry.name.startsWith('.') || entry.name.endsWith('.meta')) {
            return [];
        }
        const inside = entry.isDirectory() ? imported(dir, name) : [];
        return entry.name.endsWith('~') ? inside : [name, ...inside];
    });
}

const guid = (name) => crypto.createHash('md5').update(`com.playtrace.sdk/${name}`).digest('hex');

const plain = (importer) => `${importer}:
  externalObjects: {}
  userData:${' '}
  assetBundleName:${' '}
  assetBundleVariant:${' '}
`;

function plugin(platforms) {
    const known = { Editor: 'Editor', Linux64: 'Standalone', WebGL: 'WebGL' };
    const data = Object.entries(known).map(([name, group]) => {
        const isOn = platforms.includes(name);
        const settings = {
            Editor: ['CPU: x86_64', 'DefaultValueInitialized: true', 'OS: Linux'],
            Linux64: [`CPU: ${isOn ? 'x86_64' : 'None'}`],
            WebGL: [],
        }[name].map((line) => `        ${line}\n`).join('');
        return `  - first:
      ${group}: ${name}
    second:
      enabled: ${isOn ? 1 : 0}
      settings:${settings ? `\n${settings}` : ' {}\n'}`;
    }).join('');
    return `PluginImporter:
  externalObjects: {}
  serializedVersion: 2
  iconMap: {}
  executionOrder: {}
  defineConstraints: []
  isPreloaded: 0
  isOverridable: 0
  isExplicitlyReferenced: 0
  validateReferences: 1
  platformData:
  - first:
      Any:${' '}
    second:
      enabled: 0
      settings: {}
${data}  userData:${' '}
  assetBundleName:${' '}
  assetBundleVariant:${' '}
`;
}

function importerOf(dir, name) {
    if (fs.statSync(path.join(dir, name)).isDirectory()) {
        return `folderAsset: yes\n${plain('DefaultImporter')}`;
    }
    if (name.startsWith('Plugins/WebGL/')) {
        return plugin(['WebGL']);
    }
    if (name.startsWith('Plugins/Linux/')) {
        return plugin(['Editor', 'Linux64']);
    }
    switch (path.extname(name)) {
    case '.cs':
        return `MonoImporter:
  externalObjects: {}
  serializedVersion: 2
  defaultReferences: []
  executionOrder: 0
  icon: {instanceID: 0}
  userData:${' '}
  assetBundleName:${' '}
  assetBundleVariant:${' '}
`;
    case '.asmdef':
        return plain('AssemblyDefinitionImporter');
    case '.json':
        return plain(name === 'package.json' ? 'PackageManifestImporter' : 'TextScriptImporter');
    case '.md':
    case '.xml':
        return plain('TextScriptImporter');
    default:
        return plain('DefaultImporter');
    }
}

export function writeMetas(dir) {
    for (const name of imported(dir)) {
        const meta = path.join(dir, `${name}.meta`);
        if (!fs.existsSync(meta)) {
            fs.writeFileSync(meta, `fileFormatVersion: 2\nguid: ${guid(name)}\n${importerOf(dir, name)}`);
        }
    }
}

// "core/lanes.h" lies beside whoever includes it, with a name that no other plugin has.
const flat = (name) => {
    const short = name.replace(/^(client|src)\//, '').replace(/^include\//, '').replace(/^platform\/web\//, '');
    return short.startsWith('playtrace') ? short : `playtrace_${short.replaceAll('/', '_')}`;
};

function webSources() {
    const list = (dir, pattern) => fs.readdirSync(path.join(root, dir))
        .filter((name) => pattern.test(name)).sort().map((name) => `${dir}/${name}`);
    const sources = [
        'client/include/playtrace.h',
        ...list('client/core', /\.[ch]$/),
        ...list('client/platform/web', /\.(c|h|jslib)$/),
        ...list('src/wire', /\.[ch]$/),
    ];
    // What the browser's platform shares with others: a header and its source.
    for (const name of sources) {
        const text = fs.readFileSync(path.join(root, name), 'utf8');
        for (const [, shared] of text.matchAll(/^#include "(platform\/\w+)\.h"/gm)) {
            for (const ext of ['h', 'c']) {
                if (!sources.includes(`client/${shared}.${ext}`)) {
                    sources.push(`client/${shared}.${ext}`);
                }
            }
        }
    }
    return sources;
}

function writeWeb(dir, version) {
    const sources = webSources();
    // What an #include says -> the file's name in the one folder.
    const names = new Map(sources.map((name) => [name.replace(/^client\/include\/|^client\/|^src\//, ''), flat(name)]));
    if (new Set(names.values()).size !== sources.length) {
        throw new Error('unity_package: two sources would get one name');
    }
    fs.mkdirSync(dir, { recursive: true });
    for (const name of sources) {
        const text = fs.readFileSync(path.join(root, name), 'utf8')
            .replace(/^#include "([^"]+)"/gm, (line, asked) => {
                if (!names.has(asked)) {
                    throw new Error(`unity_package: ${name} includes "${asked}", which is not part of the package`);
                }
                return `#include "${names.get(asked)}"`;
            });
        // What the build's command line says elsewhere, and Unity's does not.
        const head = name.endsWith('.c') ? `#define PT_VERSION "${version}"\n` : '';
        fs.writeFileSync(path.join(dir, flat(name)), head + text);
    }
    return sources.length;
}

export function assemble(dir, { library = path.join(root, 'build/client/engine/libplaytrace.so') } = {}) {
    const { name, version } = JSON.parse(fs.readFileSync(path.join(packageDir, 'package.json'), 'utf8'));
    const work = fs.mkdtempSync(path.join(os.tmpdir(), 'playtrace-package-'));
    const target = path.join(work, 'package');
    const file = path.join(dir, `${name}-${version}.tgz`);
    try {
        fs.cpSync(packageDir, target, { recursive: true });
        fs.copyFileSync(path.join(root, 'LICENSE'), path.join(target, 'LICENSE'));
        writeWeb(path.join(target, 'Plugins/WebGL'), version);
        fs.mkdirSync(path.join(target, 'Plugins/Linux/x86_64'), { recursive: true });
        fs.copyFileSync(fs.realpathSync(library), path.join(target, 'Plugins/Linux/x86_64/libplaytrace.so'));
        execFileSync('strip', ['--strip-unneeded', path.join(target, 'Plugins/Linux/x86_64/libplaytrace.so')]);
        writeMetas(target);
        fs.mkdirSync(dir, { recursive: true });
        // The same input makes the same bytes.
        execFileSync('tar', ['--sort=name', '--mtime=2026-01-01 00:00Z', '--owner=0', '--group=0', '--numeric-owner',
            '--mode=u=rwX,go=rX', '--use-compress-program=gzip -n', '-C', work, '-cf', file, 'package']);
    } finally {
        fs.rmSync(work, { recursive: true, force: true });
    }
    return file;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    if (process.argv[2] === 'meta') {
        writeMetas(packageDir);
    } else {
        console.log(assemble(path.resolve(process.argv[2] ?? path.join(root, 'build/unity'))));
    }
}
