// unreal_package.mjs [DIR] - the Unreal plugin as a release: a folder to put into a project's Plugins, and its zip
//
// Writes DIR/Playtrace and DIR/Playtrace-VERSION.zip (DIR: build/unreal). The repository keeps one copy of the core; a
// release has it in Source/ThirdParty/PlaytraceCore, with one small file a source in Source/Playtrace/Private/Core,
// because UnrealBuildTool compiles what lies under a module and nothing else.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const out = path.resolve(process.argv[2] ?? path.join(root, 'build', 'unreal'));
const plugin = path.join(out, 'Playtrace');
const thirdParty = path.join(plugin, 'Source', 'ThirdParty', 'PlaytraceCore');
const wrappers = path.join(plugin, 'Source', 'Playtrace', 'Private', 'Core');

// From the repository into the core's folder: the whole of core/ and wire/, and of platform/ what needs no system.
const coreFiles = [
    ...sources('client/core', 'core'),
    ...sources('src/wire', 'wire'),
    ...sources('client/include', 'include'),
    ...['sha256.h', 'sha256.c', 'aes_gcm.h', 'aes_gcm.c', 'none/default.c'].map((name) => [`client/platform/${name}`, `platform/${name}`]),
];

function sources(from, to) {
    return fs.readdirSync(path.join(root, from)).filter((name) => /\.(c|h|hpp)$/.test(name)).sort()
        .map((name) => [`${from}/${name}`, `${to}/${name}`]);
}

function write(file, content) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
}

function files(dir, prefix = '') {
    return fs.readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((entry) =>
        entry.isDirectory() ? files(path.join(dir, entry.name), `${prefix}${entry.name}/`) : [`${prefix}${entry.name}`]);
}

// A zip by the format's description (PKWARE APPNOTE 4.3): local headers with their data, the central directory, its end.
// All times are one, so that the same sources make the same bytes.
function zip(dir, prefix) {
    const parts = [];
    const central = [];
    let at = 0;
    for (const name of files(dir)) {
        const data = fs.readFileSync(path.join(dir, name));
        const packed = zlib.deflateRawSync(data, { level: 9 });
        const nameBytes = Buffer.from(prefix + name);
        const common = Buffer.alloc(26);
        common.writeUInt16LE(20, 0); // version needed: 2.0
        common.writeUInt16LE(0x0800, 2); // names are UTF-8
        common.writeUInt16LE(8, 4); // deflated
        common.writeUInt16LE(0, 6); // 00:00:00
        common.writeUInt16LE(((2026 - 1980) << 9) | (1 << 5) | 1, 8); // the first of January
        common.writeUInt32LE(crc32(data), 10);
        common.writeUInt32LE(packed.length, 14);
        common.writeUInt32LE(data.length, 18);
        common.writeUInt16LE(nameBytes.length, 22);
        const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, nameBytes]);
        const entry = Buffer.alloc(14);
        entry.writeUInt32LE((0o100644 << 16) >>> 0, 6); // a plain file
        entry.writeUInt32LE(at, 10);
        central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, entry, nameBytes); // made by Unix, 2.0
        parts.push(local, packed);
        at += local.length + packed.length;
    }
    const directory = Buffer.concat(central);
    const end = Buffer.alloc(22);
    end.write('PK\x05\x06', 'latin1');
    end.writeUInt16LE(central.length / 4, 8);
    end.writeUInt16LE(central.length / 4, 10);
    end.writeUInt32LE(directory.length, 12);
    end.writeUInt32LE(at, 16);
    return Buffer.concat([...parts, directory, end]);
}

function crc32(data) {
    let crc = ~0;
    for (const byte of data) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) {
            crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }
    return ~crc >>> 0;
}

fs.rmSync(plugin, { recursive: true, force: true });
fs.cpSync(path.join(root, 'client', 'unreal', 'Playtrace'), plugin, { recursive: true });
fs.copyFileSync(path.join(root, 'LICENSE'), path.join(plugin, 'LICENSE'));
for (const [from, to] of coreFiles) {
    write(path.join(thirdParty, to), fs.readFileSync(path.join(root, from)));
    if (to.endsWith('.c')) {
        const name = `pt_${to.replaceAll('/', '_')}`;
        write(path.join(wrappers, name), `/* ${name} - ${to} of the core, where UnrealBuildTool finds it */\n#include "${to}"\n`);
    }
}
const { VersionName: version } = JSON.parse(fs.readFileSync(path.join(plugin, 'Playtrace.uplugin'), 'utf8'));
const archive = path.join(out, `Playtrace-${version}.zip`);
fs.writeFileSync(archive, zip(plugin, 'Playtrace/'));
console.log(`${path.relative(process.cwd(), archive)}: ${files(plugin).length} files, ${Math.ceil(fs.statSync(archive).size / 1024)} KiB`);
