// A Socket.IO client under remote control: commands come as lines of JSON on standard input, all that happens goes out
// as lines of JSON on standard output. Which of the two clients, and its options, are in the first line.
import { createInterface } from "node:readline";
import { io as io4 } from "socket.io-client";
import io2 from "socket.io-client-2";

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const plain = (value) => (value instanceof Error ? { message: value.message, data: value.data } : value);
const bytes = (value) =>
  value && typeof value === "object"
    ? "$bytes" in value
      ? Buffer.from(value.$bytes)
      : Array.isArray(value)
        ? value.map(bytes)
        : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, bytes(inner)]))
    : value;

let socket;

const commands = {
  connect({ version, url, options, names }) {
    socket = (version === 4 ? io4 : io2)(url, options);
    const own = ["connect", "connect_error", "disconnect", "error"];
    for (const name of own) socket.on(name, (...args) => say({ event: name, args: args.map(plain) }));
    if (version === 4) socket.onAny((name, ...args) => own.includes(name) || say({ event: name, args }));
    else for (const name of names) socket.on(name, (...args) => say({ event: name, args }));
  },
  emit({ name, args, number }) {
    const more = number === undefined ? [] : [(...answers) => say({ answer: number, args: answers.map(plain) })];
    socket.emit(name, ...bytes(args), ...more);
  },
  transport() {
    say({ event: "transport", args: [socket.io.engine.transport.name] });
  },
  close() {
    socket.close();
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
}).on("close", () => process.exit(0));
