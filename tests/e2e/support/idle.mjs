// idle.mjs URL COUNT - as many connections as COUNT, each with one answered request, and then nothing
//
// A process of its own, so that its descriptors are not the test's. Prints "open N", holds them until its
// standard input ends, and prints "alive N": how many of them the server has kept.
import net from 'node:net';

const [url, count] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const sockets = [];
let alive = 0;

function connect() {
    return new Promise((resolve) => {
        const socket = net.connect({ host: hostname, port: Number(port) });
        let text = '';
        socket.on('connect', () => socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'));
        socket.on('data', (chunk) => {
            text += chunk.toString('latin1');
            if (text.endsWith('}')) {
                alive++;
                text = '';
                resolve(socket);
            }
        });
        socket.on('error', () => resolve(undefined));
        socket.on('close', () => {
            alive--;
            resolve(undefined);
        });
    });
}

for (let at = 0; at < Number(count); at += 200) {
    const some = await Promise.all(Array.from({ length: Math.min(200, Number(count) - at) }, connect));
    sockets.push(...some.filter((socket) => socket !== undefined));
}
console.log(`open ${sockets.length}`);
process.stdin.resume();
process.stdin.on('end', () => {
    console.log(`alive ${alive}`);
    process.exit(0);
});
