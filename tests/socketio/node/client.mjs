// Socket.IO clients under remote control: commands come as lines of JSON on standard input, all that happens goes out
// as lines of JSON on standard output, each with the number of the client that it is about.
import { createInterface } from "node:readline";
import { io as io4 } from "socket.io-client";
import io2 from "socket.io-client-2";

const sayFor = (client) => (what) => process.stdout.write(JSON.stringify({ client, ...what }) + "\n");
const plain = (value) => (value instanceof Error ? { message: value.message, data: value.data } : value);
const bytes = (value) =>
  value && typeof value === "object"
    ? "$bytes" in value
      ? Buffer.from(value.$bytes)
      : Array.isArray(value)
        ? value.map(bytes)
        : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bytes(inner)]))
    : value;

const sockets = new Map();

const commands = {
  connect({ client, version, url, options, names }) {
    // Each a connection of its own, as in programs of their own.
    const socket = (version === 4 ? io4 : io2)(url, { ...options, forceNew: true });
    const say = sayFor(client);
    sockets.set(client, socket);
    const own = ["connect", "connect_error", "disconnect", "error"];
    for (const name of own) socket.on(name, (...args) => say({ event: name, args: args.map(plain) }));
    if (version === 4) socket.onAny((name, ...args) => own.includes(name) || say({ event: name, args }));
    else for (const name of names) socket.on(name, (...args) => say({ event: name, args }));
  },
  emit({ client, name, args, number }) {
    const answer = (...answers) => sayFor(client)({ answer: number, args: answers.map(plain) });
    sockets.get(client).emit(name, ...bytes(args), ...(number === undefined ? [] : [answer]));
  },
  transport({ client }) {
    sayFor(client)({ event: "transport", args: [sockets.get(client).io.engine.transport.name] });
  },
  close({ client }) {
    sockets.get(client).close();
    sockets.delete(client);
    sayFor(client)({ closed: true });
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
}).on("close", () => process.exit(0));
