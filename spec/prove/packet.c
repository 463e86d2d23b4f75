/* What the reader of csrc/mqtt promises, for Frama-C's WP: whatever the bytes, it reads none outside of those it was
 * given, and writes nothing but the packet and the violation; no index, shift or division goes wrong, and every loop
 * ends. `make prove` proves this of hf_packet_read, which sees each byte first and decides what is a whole packet, and
 * of how integers and topics are read. The contracts of the packets' bodies and properties are relied on there and
 * stated here; their own proofs end in time limits, in six goals of hf_packet_read_properties and read_connack. Not
 * proved at all: eight_are_plain of topic.c, which reads the eight bytes that it is promised as one number, and the
 * texts of violations, all of which the specs ask for.
 */
#include <string.h>

#include "core/topic.h"
#include "mqtt/inside.h"

/*@ predicate known(integer type) = 2 <= type <= 7 || type == 9 || type == 11 || 13 <= type <= 15;

    predicate readable(hf_bytes *text) = \valid_read(text->data + (0 .. text->length - 1));

    predicate sound(hf_cursor *from) = \valid(from) && \valid_read(from->at + (0 .. from->left - 1));

    predicate moved{A, B}(hf_cursor *from) =
      \at(from->left, B) <= \at(from->left, A) &&
      \at(from->at + from->left, B) == \at(from->at + from->left, A);
 */

/* ---- core/topic.c ---- */

/*@ requires \valid_read((char *)text + (0 .. length - 1));
    assigns \nothing;
 */
const void *find_character(const void *text, int character, size_t length);

#define memchr find_character /* Frama-C's own asks for what WP cannot say: that the bytes have been written to */

/*@ requires \valid_read((char *)at + (0 .. 7));
    assigns \nothing;
 */
static bool eight_are_plain(const unsigned char *at);

/*@ requires left >= 1 && \valid_read(at + (0 .. left - 1));
    assigns \nothing;
    ensures \result <= left;
 */
static size_t sequence(const unsigned char *at, size_t left);

/*@ requires \valid_read(text.data + (0 .. text.length - 1));
    assigns \nothing;
 */
const char *hf_utf8_malformed(hf_bytes text);

/*@ requires \valid_read(text.data + (0 .. text.length - 1));
    assigns \nothing;
 */
static bool contains(hf_bytes text, char character);

/*@ requires \valid_read(filter.data + (0 .. filter.length - 1));
    assigns \nothing;
 */
bool hf_topic_has_wildcard(hf_bytes filter);

#include "core/topic.c"

/* ---- cursor.h, inside.h ---- */

/*@ requires sound(from) && \valid(value) && \separated(from, value);
    assigns *from, *value;
    ensures sound(from) && moved{Pre, Post}(from);
    ensures \result ==> from->left < \old(from->left);
 */
static inline bool hf_take_one(hf_cursor *from, uint8_t *value);

/*@ requires sound(from) && \valid(value) && \separated(from, value);
    assigns *from, *value;
    ensures sound(from) && moved{Pre, Post}(from);
 */
static inline bool hf_take_two(hf_cursor *from, uint16_t *value);

/*@ requires sound(from) && \valid(value) && \separated(from, value);
    assigns *from, *value;
    ensures sound(from) && moved{Pre, Post}(from);
 */
static inline bool hf_take_four(hf_cursor *from, uint32_t *value);

/*@ requires sound(from) && \valid(value) && \separated(from, value);
    assigns *from, *value;
    ensures sound(from) && moved{Pre, Post}(from);
 */
static inline bool hf_take_variable(hf_cursor *from, uint32_t *value);

/*@ requires sound(from) && \valid(bytes) && \separated(from, bytes);
    assigns *from, *bytes;
    ensures sound(from) && moved{Pre, Post}(from);
    ensures \result ==> readable(bytes) && bytes->length == length;
 */
static inline bool hf_take_bytes(hf_cursor *from, size_t length, hf_bytes *bytes);

/*@ requires sound(from) && \valid(text) && \separated(from, text);
    assigns *from, *text;
    ensures sound(from) && moved{Pre, Post}(from);
    ensures \result ==> readable(text);
 */
static inline bool hf_take_text(hf_cursor *from, hf_bytes *text);

/*@ requires \valid(violation);
    assigns *violation;
    ensures !\result;
 */
static inline bool hf_violate(hf_violation *violation, uint8_t code, const char *text);

/*@ requires known(type);
    assigns \result \from type, identifier, problem;
 */
const char *hf_text_of_property(hf_packet_type type, uint32_t identifier, hf_property_problem problem);

/*@ requires known(type) && identifier <= 255;
    assigns \result \from type, identifier;
 */
const char *hf_text_of_misplaced(hf_packet_type type, uint32_t identifier);

/*@ requires known(type) && 0 <= problem < HF_PACKET_PROBLEMS;
    assigns \result \from type, problem;
 */
const char *hf_text_of_packet(hf_packet_type type, hf_packet_problem problem);

/* ---- properties_read.c ---- */

#include "mqtt/properties_read.c"

/*@ predicate texts_are_there(hf_property *property) =
      property->identifier < HF_PROPERTY_IDS &&
      (kinds[property->identifier] == HF_KIND_TEXT || kinds[property->identifier] == HF_KIND_PAIR ==>
        readable(&property->text)) &&
      (kinds[property->identifier] == HF_KIND_PAIR ==> readable(&property->value));
 */

/*@ assigns \nothing;
    ensures identifier < HF_PROPERTY_IDS ==> \result == kinds[identifier];
    ensures identifier >= HF_PROPERTY_IDS ==> \result == HF_KIND_NONE;
 */
static hf_property_kind kind_of(uint32_t identifier);

/*@ requires sound(from) && \valid(property) && \separated(from, property);
    assigns *from, *property;
    ensures sound(from) && moved{Pre, Post}(from);
    ensures property->identifier == identifier;
    ensures \result ==> texts_are_there(property);
 */
bool hf_property_take(hf_cursor *from, uint32_t identifier, hf_property *property);

/*@ requires \valid_read(property) && texts_are_there(property);
    assigns \nothing;
 */
static bool text_is_fine(const hf_property *property);

/*@ requires \valid_read(property);
    assigns \nothing;
 */
static uint8_t value_problem(const hf_property *property);

/*@ requires \valid(to) && \valid_read(property) && \separated(to, property);
    assigns *to;
 */
static void keep(hf_packet_properties *to, const hf_property *property);

/*@ requires \valid(violation) && known(type);
    assigns *violation;
    ensures !\result;
 */
static bool violate(hf_violation *violation, uint8_t code, hf_packet_type type, uint32_t identifier,
                    hf_property_problem problem);

/*@ requires \valid(properties) && \valid(violation) && \valid(seen) && known(type);
    requires sound(from) && from->left > 0;
    requires \separated(from, seen, properties, violation);
    assigns *from, *seen, *properties, *violation;
    ensures sound(from);
    ensures moved{Pre, Post}(from);
    ensures \result ==> from->left < \old(from->left);
 */
static bool read_property(hf_packet_type type, hf_cursor *from, uint64_t *seen, hf_packet_properties *properties,
                          hf_violation *violation);

/*@ requires \valid(properties) && \valid(violation) && known(type);
    requires sound(from);
    requires \separated(from, properties, violation);
    assigns *from, *properties, *violation;
    ensures sound(from);
    ensures moved{Pre, Post}(from);
 */
bool hf_packet_read_properties(hf_packet_type type, hf_cursor *from, hf_packet_properties *properties,
                               hf_violation *violation);

/* ---- body_read.c ---- */

#include "mqtt/body_read.c"

/*@ predicate fine(body *b) =
      \valid_read(b) && \valid_read(b->rules) && sound(b->from) && \valid(b->packet) && \valid(b->violation) &&
      known(b->packet->type) && \separated(b, b->rules, b->from, b->packet, b->violation);
 */

/*@ requires fine(b);
    assigns *b->violation;
    ensures fine(b) && !\result;
 */
static bool violates(const body *b, uint8_t code, const char *text);

/*@ requires fine(b) && 0 <= problem < HF_PACKET_PROBLEMS;
    assigns *b->violation;
    ensures fine(b) && !\result;
 */
static bool has_problem(const body *b, uint8_t code, hf_packet_problem problem);

/*@ requires fine(b);
    assigns *b->from, *b->violation, b->packet->properties;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_properties(const body *b);

/*@ requires fine(b);
    assigns *b->from, *b->violation, b->packet->packet_id;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_packet_id(const body *b);

/*@ requires fine(b);
    assigns *b->violation;
    ensures fine(b);
 */
static bool ends(const body *b);

/*@ requires fine(b);
    assigns *b->from, *b->packet, *b->violation;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_connack(const body *b);

/*@ requires fine(b);
    assigns *b->from, *b->violation, b->packet->topic;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_topic(const body *b);

/*@ requires fine(b);
    assigns *b->from, *b->packet, *b->violation;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_publish(const body *b);

/*@ assigns \nothing; */
static bool code_is_known(hf_packet_type type, uint8_t code);

/*@ requires fine(b);
    assigns *b->from, *b->violation, b->packet->code;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_code(const body *b);

/*@ requires fine(b);
    assigns *b->from, *b->packet, *b->violation;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_acknowledgement(const body *b);

/*@ requires fine(b);
    assigns *b->from, *b->packet, *b->violation;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_verdicts(const body *b);

/*@ requires fine(b);
    assigns *b->from, *b->packet, *b->violation;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_disconnect(const body *b);

/*@ requires fine(b);
    assigns *b->from, *b->packet, *b->violation;
    ensures fine(b) && moved{Pre, Post}(b->from);
 */
static bool read_auth(const body *b);

/*@ requires \valid_read(rules) && \valid(packet) && \valid(violation);
    requires \valid(from);
    requires \valid_read(from->at + (0 .. from->left - 1));
    requires known(packet->type);
    requires \separated(rules, from, packet, violation);
    assigns *from, *packet, *violation;
 */
bool hf_packet_read_body(const hf_packet_rules *rules, hf_cursor *from, hf_packet *packet, hf_violation *violation);

/* ---- read.c ---- */

#include "mqtt/read.c"

/*@ requires \valid(violation);
    assigns *violation;
 */
static bool refuse_type(hf_packet_type type, hf_violation *violation);

/*@ assigns \nothing;
    ensures \result ==> known(type);
 */
static bool type_is_fine(hf_packet_type type, uint8_t protocol);

/*@ requires \valid(packet) && \valid(violation) && \separated(packet, violation) && known(packet->type) && flags <= 15;
    assigns *violation, packet->duplicate, packet->qos, packet->retain;
 */
static bool read_flags(uint8_t flags, hf_packet *packet, hf_violation *violation);

/*@ requires known(type);
    assigns \result \from type, protocol, rest;
 */
static const char *length_problem(hf_packet_type type, uint8_t protocol, size_t rest);

/*@ requires \valid_read(rules) && \valid_read(bytes.data + (0 .. bytes.length - 1));
    requires \valid(packet) && \valid(violation) && \separated(rules, packet, violation);
    assigns *packet, *violation;
 */
hf_read hf_packet_read(const hf_packet_rules *rules, hf_bytes bytes, hf_packet *packet, hf_violation *violation);
