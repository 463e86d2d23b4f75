// raw_mqttjs.js: a third peer of the bench: a plain program on MQTT.js, MQTT 5, one thread.
//
//   node raw_mqttjs.js receive port=.. qos=.. count=..            until `count` messages are there
//   node raw_mqttjs.js publish port=.. qos=.. count=.. size=..    100 at a time
//
// Prints what raw_mosquitto.c prints. NODE_PATH says where MQTT.js is.
"use strict";

const mqtt = require("mqtt");

const WINDOW = 100;
const TOPIC = "bench/topic";

const given = { port: 1883, qos: 0, count: 100000, size: 64 };
for (const word of process.argv.slice(3)) {
  const [key, value] = word.split("=");
  if (key in given) given[key] = Number(value);
}

const run = {};

function begin() {
  run.start = process.hrtime.bigint();
  run.cpu = process.cpuUsage();
}

function report(messages) {
  const seconds = Number(process.hrtime.bigint() - run.start) / 1e9;
  const used = process.cpuUsage(run.cpu);
  const cpu = (used.user + used.system) / 1e6;
  console.log(`messages=${messages} seconds=${seconds.toFixed(6)} cpu=${cpu.toFixed(6)}`);
  process.exit(0);
}

function receive(client) {
  const warm = Math.floor(given.count / 10);
  let received = 0;
  client.on("message", () => {
    received++;
    if (received === warm) begin();
    if (received === given.count) report(given.count - warm);
  });
  client.subscribe(TOPIC, { qos: given.qos });
}

function publish(client) {
  const payload = Buffer.alloc(given.size);
  let sent = 0, answered = 0;
  function more() {
    while (sent < given.count && sent - answered < WINDOW) {
      sent++;
      client.publish(TOPIC, payload, { qos: given.qos }, (error) => {
        if (error) throw error;
        if (++answered === given.count) report(given.count);
        else if (sent - answered < WINDOW / 2) more();
      });
    }
  }
  begin();
  more();
}

const mode = { receive, publish }[process.argv[2]];
if (!mode) {
  console.error("usage: see the head of bench/raw_mqttjs.js");
  process.exit(2);
}
const client = mqtt.connect(`mqtt://127.0.0.1:${given.port}`, {
  protocolVersion: 5, keepalive: 60, reconnectPeriod: 0,
  properties: { receiveMaximum: 65535 },
});
client.on("error", (error) => {
  console.error(String(error));
  process.exit(1);
});
client.once("connect", () => mode(client));
