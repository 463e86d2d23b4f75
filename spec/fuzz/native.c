/* Our own link against a broker that sends what the input says: sound packets, changed ones and bytes alone, between
 * operations of the keeper's in any order. What is lent comes back once, receipts rise by one, a generation ends once,
 * what goes out is a row of whole packets with nothing behind DISCONNECT, and an acknowledgement answers something
 * that has come on its connection. */
#include "link/native_link.h"

#include "../support/scripted_stream.h"
#include "bytes.h"

enum { PEERS = 32, PUBLISHES = 64, IDS = 8, LONGEST = 64 * 1024 };

typedef struct world {
  hf_link *link;
  hf_scripted *peers[PEERS];
  hf_publish *returned[PUBLISHES]; /* as lost */
  bool lent[PUBLISHES];
  uint64_t receipts[2], acknowledged[2], pubacks;
  size_t peer_count, publish_count, returned_count;
  uint32_t generation;
  uint16_t ids[IDS]; /* that the client used last */
  uint8_t id_at;
  uint8_t protocol;
  bool open, up;      /* the generation has not ended; and was connected */
  bool authenticates; /* it does, by MQTT 5 */

  /* of the newest connection */
  uint8_t *fed, *out;
  size_t fed_length, fed_read, out_length;
  bool fed_broken, greeted, said_goodbye;
  bool came[3][65536]; /* PUBLISH of QoS 1 and 2, PUBREL */
} world;

static hf_loop loop;
static world the;

/* ---- what the link tells ---- */

static void outcome(hf_publish *publish) {
  promise(publish->id < PUBLISHES && the.lent[publish->id]);
  the.lent[publish->id] = false;
  if (publish->result == HF_LINK_RESULT_LOST)
    the.returned[the.returned_count++] = publish;
  else
    hf_publish_free(publish);
}

static void deliver(void *context, hf_mail *mail) {
  promise(context == &the && mail->owner == &the);
  const hf_message *message = (const hf_message *)mail;
  switch ((enum hf_link_mail)mail->kind) {
  case HF_LINK_DELIVERED:
    outcome((hf_publish *)mail);
    return;
  case HF_LINK_MESSAGE:
    promise(message->topic.length > 0 && message->qos <= 2);
    promise(message->qos ? message->receipt == ++the.receipts[message->qos - 1] : message->receipt == 0);
    break;
  case HF_LINK_CONNECTED:
    promise(the.open && !the.up);
    the.up = true;
    break;
  case HF_LINK_FAILED:
    promise(the.open && !the.up);
    the.open = false;
    break;
  case HF_LINK_DOWN:
    promise(the.open && the.up);
    the.open = the.up = false;
    break;
  case HF_LINK_CLOSED:
    promise(the.open);
    the.open = the.up = false;
    break;
  case HF_LINK_AUTH:
    promise(the.open && the.authenticates && ((const hf_link_auth *)mail)->while_up == the.up);
    promise(the.up || !((const hf_link_auth *)mail)->over);
    break;
  case HF_LINK_STEP:
    promise(false); /* nobody inspects */
    break;
  case HF_LINK_SUBSCRIBED:
  case HF_LINK_UNSUBSCRIBED:
  case HF_LINK_RENEW:
    promise(the.open && the.up);
    break;
  }
  promise(mail->generation == the.generation);
  hf_link_mail_free(mail);
}

/* ---- what goes over the wire ---- */

/* What a reader of ours makes of the bytes that were fed. */
static void read_fed(void) {
  const hf_packet_rules rules = {.protocol = the.protocol};
  while (!the.fed_broken) {
    hf_packet packet;
    hf_violation violation;
    hf_bytes rest = {(const char *)the.fed + the.fed_read, the.fed_length - the.fed_read};
    hf_read read = hf_packet_read(&rules, rest, &packet, &violation);
    if (read == HF_READ_MORE) return;
    the.fed_broken = read == HF_READ_VIOLATION;
    if (the.fed_broken) return;
    if (packet.type == HF_PACKET_PUBLISH && packet.qos) the.came[packet.qos - 1][packet.packet_id] = true;
    if (packet.type == HF_PACKET_PUBREL) the.came[2][packet.packet_id] = true;
    the.fed_read += packet.length;
  }
}

static void feed(const void *packets, size_t length) {
  if (the.peer_count == 0 || the.fed_length + length > LONGEST) return;
  memcpy(the.fed + the.fed_length, packets, length);
  the.fed_length += length;
  read_fed();
  hf_scripted_feed(the.peers[the.peer_count - 1], packets, length);
}

static uint16_t two_at(const uint8_t *at) {
  return (uint16_t)(at[0] << 8 | at[1]);
}

static void check_packet(const uint8_t *packet, size_t length) {
  const uint8_t *body = packet + 1;
  while (*body++ & 0x80) {
  }
  size_t rest = length - (size_t)(body - packet);
  uint16_t id = 0;
  promise(!the.said_goodbye);
  switch ((hf_packet_type)(packet[0] >> 4)) {
  case HF_PACKET_PUBLISH:
    promise(rest >= 2 && rest >= 2u + two_at(body));
    if (packet[0] & 6) id = two_at(body + 2 + two_at(body));
    promise((packet[0] & 6) != 6 && (!(packet[0] & 6) || id > 0));
    break;
  case HF_PACKET_PUBACK:
    promise(rest >= 2 && the.came[0][two_at(body)]);
    the.pubacks++;
    break;
  case HF_PACKET_PUBREC:
    promise(rest >= 2 && the.came[1][two_at(body)]);
    break;
  case HF_PACKET_PUBCOMP:
    promise(rest >= 2 && the.came[2][two_at(body)]);
    break;
  case HF_PACKET_SUBSCRIBE:
  case HF_PACKET_UNSUBSCRIBE:
    promise(rest > 4 && two_at(body) > 0);
    id = two_at(body);
    break;
  case HF_PACKET_PUBREL:
    promise(rest >= 2 && packet[0] == 0x62);
    break;
  case HF_PACKET_PINGREQ:
    promise(rest == 0);
    break;
  case HF_PACKET_DISCONNECT:
    the.said_goodbye = true;
    break;
  case HF_PACKET_CONNECT:
    break;
  case HF_PACKET_AUTH:
    promise(the.authenticates);
    break;
  default:
    promise(false);
  }
  if (id) the.ids[the.id_at++ % IDS] = id;
}

/* 0: it is not whole yet. */
static size_t packet_length(const uint8_t *at, size_t left) {
  size_t header = 1, rest = 0;
  do {
    if (left <= header) return 0;
    rest |= (size_t)(at[header] & 0x7F) << 7 * (header - 1);
  } while (at[header++] & 0x80);
  return left < header + rest ? 0 : header + rest;
}

static void check_out(void) {
  if (the.peer_count == 0) return;
  hf_scripted *peer = the.peers[the.peer_count - 1];
  for (size_t got; (got = hf_scripted_take(peer, the.out + the.out_length, LONGEST * 8 - the.out_length)) > 0;)
    the.out_length += got;
  promise(the.out_length < (size_t)LONGEST * 8);
  size_t read = 0;
  for (size_t length; (length = packet_length(the.out + read, the.out_length - read)) > 0; read += length) {
    bool first = the.out[read] >> 4 == HF_PACKET_CONNECT;
    promise(first != the.greeted);
    the.greeted = true;
    check_packet(the.out + read, length);
  }
  the.out_length -= read;
  memmove(the.out, the.out + read, the.out_length);
}

static void turn(void) {
  hf_loop_fire(&loop);
  hf_loop_run(&loop);
  loop.late = false;
}

static void run(int64_t until) {
  turn();
  for (int64_t due; (due = hf_loop_due(&loop)) <= until;) {
    if (due > loop.now) loop.now = due;
    turn();
  }
  loop.now = until;
  check_out();
}

/* ---- the broker ---- */

static uint16_t take_id(bytes *from) {
  uint8_t which = take_byte(from);
  return which < 128 ? the.ids[which % IDS] : (uint16_t)(which - 127);
}

static size_t two(uint8_t *at, uint16_t number) {
  at[0] = (uint8_t)(number >> 8);
  at[1] = (uint8_t)number;
  return 2;
}

static size_t publish_packet(bytes *from, uint8_t *at) {
  uint8_t how = take_byte(from), qos = how % 3;
  size_t length = 2, payload = how >> 4;
  at[0] = (uint8_t)(0x30 | qos << 1 | (qos && how & 8 ? 8 : 0));
  length += two(at + length, 2);
  at[length++] = 'a';
  at[length++] = (uint8_t)('a' + how % 5);
  if (qos) length += two(at + length, (uint16_t)(take_byte(from) % 16 + 1));
  if (the.protocol == 5 && how & 4) {
    at[length++] = 3;
    at[length++] = 0x23;
    length += two(at + length, take_byte(from) % 18);
  } else if (the.protocol == 5) {
    at[length++] = 0;
  }
  for (; payload; payload--)
    at[length++] = 'x';
  at[1] = (uint8_t)(length - 2);
  return length;
}

static size_t sound_packet(bytes *from, uint8_t *at) {
  static const uint8_t acks[] = {0x40, 0x50, 0x62, 0x70};
  uint8_t kind = take_byte(from) % 12;
  size_t length = 2;
  if (kind < 4) return publish_packet(from, at);
  if (kind < 8) {
    at[0] = acks[kind - 4];
    length += two(at + length, take_id(from));
    uint8_t code = take_byte(from);
    if (the.protocol == 5 && code & 1) at[length++] = kind < 6 ? (code & 2 ? 0x91 : 0x10) : (code & 2 ? 0x92 : 0);
  } else if (kind < 10) {
    at[0] = kind == 8 ? 0x90 : 0xB0;
    length += two(at + length, take_id(from));
    if (the.protocol == 5) at[length++] = 0;
    if (the.protocol == 5 || kind == 8) at[length++] = take_byte(from) % 3;
  } else if (kind == 10 && the.authenticates) {
    static const uint8_t words[] = {0x18, 8, 0x15, 0, 1, 'M', 0x16, 0, 1, 'x'}; /* method and data */
    at[0] = 0xF0;
    memcpy(at + length, words, sizeof words);
    at[length] = take_byte(from) & 1 ? 0x18 : 0;
    length += sizeof words;
  } else if (kind == 10) {
    at[0] = 0xD0;
  } else {
    at[0] = 0x20;
    at[length++] = take_byte(from) & 1;
    at[length++] = 0;
    if (the.protocol == 5) {
      at[length++] = 3;
      at[length++] = 0x22; /* Topic Alias Maximum */
      length += two(at + length, take_byte(from) % 4);
    }
  }
  at[1] = (uint8_t)(length - 2);
  return length;
}

static void send_packet(bytes *from) {
  uint8_t packet[64];
  size_t length = sound_packet(from, packet);
  uint8_t change = take_byte(from);
  if (change >= 240) packet[change % length] ^= take_byte(from);
  feed(packet, length);
}

/* ---- the keeper ---- */

static void open_one(bytes *from) {
  uint8_t how = take_byte(from);
  if (the.open || the.peer_count == PEERS) return;
  hf_link_attempt attempt = {.host = "broker",
                             .port = 1883,
                             .client_id = "fuzz",
                             .session_expiry = how & 1 ? 60 : 0,
                             .keep_alive = how & 2 ? 10 : 0,
                             .hold_bytes = how & 4 ? 1000 : 0,
                             .receive_maximum = 100,
                             .protocol = how & 8 ? 4 : 5,
                             .clean_start = how & 16,
                             .auth_method = how & 32 && !(how & 8) ? "M" : NULL,
                             .auth_mutual = how & 64};
  the.open = true;
  the.up = false;
  the.authenticates = attempt.auth_method;
  the.protocol = attempt.protocol;
  the.fed_length = the.fed_read = the.out_length = 0;
  the.fed_broken = the.greeted = the.said_goodbye = false;
  memset(the.came, 0, sizeof the.came);
  hf_link_native.open(the.link, ++the.generation, &attempt);
  the.peers[the.peer_count++] = hf_scripted_next();
  hf_scripted_connect(the.peers[the.peer_count - 1]);
}

static void lend(hf_publish *publish) {
  the.lent[publish->id] = true;
  if (hf_link_native.publish(the.link, publish)) return;
  the.lent[publish->id] = false;
  the.returned[the.returned_count++] = publish;
}

static void publish_one(bytes *from) {
  static char payload[20000];
  uint8_t how = take_byte(from);
  if (!the.up || the.publish_count == PUBLISHES) return;
  size_t length = how & 8 ? sizeof payload : how;
  hf_publish *publish = hf_publish_new((hf_bytes){"topic", how & 4 ? 5 : 3}, (hf_bytes){payload, length}, NULL);
  publish->id = the.publish_count++;
  publish->qos = how % 3;
  lend(publish);
}

static void publish_again(void) {
  if (!the.up || the.returned_count == 0) return;
  hf_publish *publish = the.returned[--the.returned_count];
  lend(publish);
}

static void ask(bytes *from) {
  uint8_t how = take_byte(from);
  hf_subscription_request request = {.ticket = how, .subscribe = how & 1, .filter = {"a/#", 3}};
  if (!the.up) return;
  (how & 1 ? hf_link_native.subscribe : hf_link_native.unsubscribe)(the.link, &request);
}

static void authenticate(bytes *from) {
  uint8_t how = take_byte(from);
  hf_bytes word = {"x", 1}, expected = {how & 2 ? "x" : NULL, how & 2 ? 1 : 0};
  hf_link_native.authenticate(the.link, word, expected, how & 1);
}

static void acknowledge(bytes *from) {
  uint8_t how = take_byte(from), at = how & 1;
  uint64_t open = the.receipts[at] - the.acknowledged[at];
  if (open == 0) return;
  the.acknowledged[at] += 1 + (how >> 1) % open;
  hf_link_native.acknowledge(the.link, at + 1, the.acknowledged[at]);
}

static void abandon(void) {
  the.open = the.up = false;
  hf_link_native.abandon(the.link);
}

static void step(bytes *from) {
  hf_scripted *peer = the.peer_count ? the.peers[the.peer_count - 1] : NULL;
  uint8_t op = take_byte(from);
  if (op >= 128) { /* most of all, packets */
    send_packet(from);
    return;
  }
  switch (op % 18) {
  case 0:
    open_one(from);
    break;
  case 1: {
    hf_bytes text = take_text(from);
    feed(text.data, text.length);
    free_text(text);
    break;
  }
  case 2:
  case 3:
    publish_one(from);
    break;
  case 4:
    publish_again();
    break;
  case 5:
    ask(from);
    break;
  case 6:
    if (op & 64)
      authenticate(from);
    else if (the.up)
      hf_link_native.probe(the.link, op);
    break;
  case 7:
  case 8:
    acknowledge(from);
    break;
  case 9:
    hf_link_native.allow(the.link, take_byte(from));
    break;
  case 10:
    hf_link_native.close(the.link, 0, (op & 64) - 1, 1000);
    break;
  case 11:
    abandon();
    break;
  case 12:
    if (peer) hf_scripted_allow(peer, op & 64 ? SIZE_MAX : take_byte(from));
    break;
  case 13:
    if (peer) hf_scripted_piece(peer, take_byte(from));
    break;
  case 14:
    if (peer) hf_scripted_end(peer, NULL, NULL);
    break;
  case 15:
    if (peer) hf_scripted_hold_back(peer, op & 64);
    if (peer) hf_scripted_quiet(peer, take_byte(from) * 100, op & 32);
    break;
  case 16:
    run(loop.now + take_byte(from) * 200);
    break;
  default:
    loop.late = op & 64;
    run(loop.now);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes from = {data, size};
  static uint8_t fed[LONGEST], out[LONGEST * 8];
  memset(&the, 0, offsetof(world, came));
  the.fed = fed;
  the.out = out;
  hf_loop_init(&loop, NULL);
  hf_link_native.begin(&loop);
  hf_native_use_streams(hf_scripted_open);
  the.link = hf_link_native.create((hf_link_sink){deliver, &the, &the});
  the.link->random = 1;
  the.link->ids.cursor = UINT16_MAX - 5;
  hf_link_native.allow(the.link, take_byte(&from));
  while (from.left > 0)
    step(&from);
  run(loop.now);
  hf_link_figures figures;
  hf_link_native.figures(the.link, &figures);
  promise(the.pubacks <= the.acknowledged[0] + figures.dropped);
  promise(figures.open == the.receipts[0] + the.receipts[1] - the.acknowledged[0] - the.acknowledged[1]);
  abandon();
  hf_link_native.destroy(the.link);
  for (size_t i = 0; i < PUBLISHES; i++)
    promise(!the.lent[i]);
  while (the.returned_count > 0)
    hf_publish_free(the.returned[--the.returned_count]);
  for (size_t i = 0; i < the.peer_count; i++)
    hf_scripted_free(the.peers[i]);
  return 0;
}
