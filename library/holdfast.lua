---@meta holdfast
-- Made by `make reference` of the comments in lua/, its options and its events; not to be edited.

---An attempt begins.
---@class holdfast.event.connecting
---@field server? string the address; absent where a function of yours is asked for it, and has not answered
---@field attempt integer which it is since the last stable connection, from 1

---The broker has accepted us. Subscriptions are confirmed by `ready`.
---@class holdfast.event.connected
---@field session_present boolean whether the broker goes on with our session (MQTT 5 section 3.2.2.1.1)
---@field server string the address
---@field attempts integer how many it took
---@field downtime? number seconds: since the connection before was lost, or since the start
---@field response_information? string if the broker gave one (MQTT 5 section 3.2.2.3.15)

---The broker has confirmed every subscription.
---@class holdfast.event.ready
---@field subscriptions integer how many there are
---@field refused integer how many of them the broker has refused; `subscription:granted` says which
---@field downtime? number seconds: as of `connected`

---The attempt came to nothing.
---@class holdfast.event.failed
---@field reason holdfast.reason why
---@field server? string the address
---@field attempt integer which it was
---@field retry_in? number seconds: until the next one; absent: there is none
---@field server_reference? string another server, if the broker named one (MQTT 5 section 4.11)
---@field followed? boolean whether the next attempt goes there

---The connection is gone.
---@class holdfast.event.lost
---@field reason holdfast.reason why
---@field uptime? number seconds: for how long it stood
---@field retry_in? number seconds: until the next attempt; absent: there is none, or it comes at once
---@field server_reference? string another server, if the broker named one (MQTT 5 section 4.11)
---@field followed? boolean whether the next attempt goes there

---No more attempts until `wake_in` is over, or `client:wake`.
---@class holdfast.event.sleeping
---@field reason holdfast.reason why
---@field wake_in? number seconds: absent: it sleeps until woken

---The end. Nothing follows.
---@class holdfast.event.closed
---@field reason holdfast.reason `closed`, or `collected`

---A posted message is with the broker. What `publish` sends is told by its return.
---@class holdfast.event.delivered
---@field id integer as `post` answered it

---It never will be.
---@class holdfast.event.dropped
---@field id integer as `post` answered it
---@field why string a word: `overflow`, `expired`, `refused`, `too_large`, `qos_not_supported`, `retain_not_supported`, `disconnected`, `closed`, `kept`
---@field reason? holdfast.reason the broker's, of `refused` and `disconnected`

---A message was not handled in so many attempts, and is acknowledged all the same.
---@class holdfast.event.parked
---@field message holdfast.message it
---@field filter string of the subscription
---@field attempts integer how many there were
---@field error string what the last of them threw, in words

---With `inspect`: one step of an attempt, and what was found in it under names of its own.
---@class holdfast.event.step
---@field step string which it is: [the steps of an attempt](#the-steps-of-an-attempt)
---@field at number seconds: since the attempt began

---The file of the queue has failed; or, without a `code`, it has been made anew.
---@class holdfast.event.store
---@field code? string `store_failed`, `store_full` ...
---@field text string what has happened, with the name of the file

---A handler of yours threw. If nobody listens, it goes to the log.
---@class holdfast.event.error
---@field message string in words
---@field traceback string where
---@field error any what was thrown

---@alias holdfast.event_name "connecting"|"connected"|"ready"|"failed"|"lost"|"sleeping"|"closed"|"message"|"delivered"|"dropped"|"parked"|"step"|"store"|"error"

---@alias holdfast.event holdfast.event.connecting|holdfast.event.connected|holdfast.event.ready|holdfast.event.failed|holdfast.event.lost|holdfast.event.sleeping|holdfast.event.closed|holdfast.message|holdfast.event.delivered|holdfast.event.dropped|holdfast.event.parked|holdfast.event.step|holdfast.event.store|holdfast.event.error

---What `client:status` answers.
---@class holdfast.status
---@field state string `idle`, `connecting`, `connected`, `waiting`, `sleeping` or `closed`: [the state machine](states.md)
---@field server? string the address of the connection, or of the next attempt
---@field attempt integer which it is since the last stable connection; 0: none has begun
---@field retry_in? number seconds: until the state ends by itself: a wait, a sleep, an attempt's time; absent: it does not
---@field since number seconds: for how long the state has lasted
---@field reason? holdfast.reason why it is not connected, or was not; absent at first
---@field ready boolean connected, and every subscription answered
---@field session_present boolean whether the broker went on with our session
---@field held_by? string what keeps it from its broker besides time: `budget` (`holdfast.limit`) or `slow_consumer`
---@field transport string `native` or `paho`
---@field client_id string its id, cut after 63 bytes
---@field keep_alive integer seconds: in force, which the broker may have set
---@field session_expiry integer seconds: in force, which the broker may have set
---@field protocol integer 5, or 4 for MQTT 3.1.1
---@field downtime number seconds: that it was to be connected and was not, in all
---@field path? holdfast.path natively, while connected: what is known of the way to the broker, or to the proxy
---@field queued holdfast.queued messages accepted and not delivered yet
---@field inbox holdfast.inbox messages received and not consumed yet
---@field counters holdfast.counters since the client was made

---How much has been accepted and not delivered.
---@class holdfast.queued
---@field messages integer how many
---@field bytes integer bytes: that they take
---@field oldest? number seconds: since the oldest of them was accepted; absent: there is none

---How much has been received and not consumed.
---@class holdfast.inbox
---@field messages integer how many
---@field bytes integer bytes: of their topics and payloads
---@field held? integer natively, while it is full: messages that are not acknowledged for it
---@field oldest? number seconds: for how long none of those has been acknowledged

---What is known of the way to the broker. What the system does not tell is absent.
---@class holdfast.path
---@field road string `tcp`, `websocket`, `unix` or `quic`
---@field age number seconds: since it was looked at: at the connect, and after each `status`, once a second at most
---@field rtt? number seconds: there and back, smoothed (RFC 9002 section 5.3, RFC 6298)
---@field rtt_min? number seconds: the least there was
---@field rtt_variance? number seconds: how it varies
---@field sent? integer packets
---@field retransmitted? integer packets that were sent again
---@field migrations? integer over QUIC: to another address of ours
---@field resumed? boolean with TLS: whether a session was taken up again
---@field early? string over QUIC: what the server made of CONNECT in 0-RTT: `none`, `offered`, `accepted` or `rejected`

---What has happened, counted.
---@class holdfast.counters
---@field attempts integer connection attempts that were begun
---@field connects integer those that the broker accepted
---@field reconnects integer of those, all but the first of each client
---@field failures integer attempts that came to nothing
---@field losses integer connections that were lost
---@field sent integer PUBLISH packets handed to the transport, those sent again included
---@field delivered integer messages of ours that are with the broker
---@field dropped integer messages of ours that never will be
---@field received integer messages that came
---@field inbox_dropped integer of those, dropped because the inbox was full
---@field unclaimed integer of those, dropped because they belong to no subscription and nobody listens
---@field parked integer of those, acknowledged though their handler has failed as often as it may
---@field events_dropped integer outcomes of posts that were only counted, since nobody looked at them

---One of what `client:history` answers, 16 at most, oldest first.
---@class holdfast.attempt
---@field server? string the address; absent where it never was known
---@field started number seconds: ago
---@field phase string how far it came: `none`, `dns`, `tcp`, `proxy`, `quic`, `tls`, `websocket`, `connack` or `up`
---@field class? string what followed from its reason; absent, as the next three, while it runs or stands
---@field name? string the reason's
---@field source? string the reason's
---@field code? integer the reason's
---@field delay? number seconds: that was chosen after it; absent: none
---@field beside? holdfast.rival of two servers that it took, the one that was not taken in the end

---Of an attempt at `quic` and behind it `mqtts` of the same host (RFC 8305): which was not taken.
---@class holdfast.rival
---@field server string the address
---@field phase string how far it came
---@field name? string the reason's, where it failed and was not only slower
---@field source? string the reason's
---@field code? integer the reason's

---What `holdfast.metrics` answers: totals of the process since its start.
---@class holdfast.metrics
---@field clients integer clients that are there now
---@field downtime number seconds: that clients were to be connected and were not, in all
---@field reasons holdfast.reason_count[] failures and losses by reason: those that there have been
---@field drops holdfast.drops messages of ours that never will be delivered, by cause
---@field states holdfast.states clients of this Lua state by their state
---@field queued holdfast.queued of the clients of this Lua state: messages accepted and not delivered yet
---@field inbox holdfast.inbox likewise: messages received and not consumed yet
---@field dispatch holdfast.dispatch how long messages that came have waited for Lua
---@field attempts integer connection attempts that were begun
---@field connects integer those that the broker accepted
---@field reconnects integer of those, all but the first of each client
---@field failures integer attempts that came to nothing
---@field losses integer connections that were lost
---@field sent integer PUBLISH packets handed to the transport, those sent again included
---@field delivered integer messages of ours that are with the broker
---@field dropped integer messages of ours that never will be
---@field received integer messages that came
---@field inbox_dropped integer of those, dropped because the inbox was full
---@field unclaimed integer of those, dropped because they belong to no subscription and nobody listens
---@field parked integer of those, acknowledged though their handler has failed as often as it may
---@field events_dropped integer outcomes of posts that were only counted, since nobody looked at them

---How often a reason was one.
---@class holdfast.reason_count
---@field name string the reason's
---@field source string the reason's
---@field failures integer attempts that came to nothing for it
---@field losses integer connections that were lost for it

---How many messages each cause has cost; the causes are those of the event `dropped`.
---@class holdfast.drops
---@field refused integer the broker refused them
---@field expired integer their `ttl` or `message_expiry` was over
---@field overflow integer they were the ones to go in a full queue
---@field disconnected integer connections have ended over them
---@field too_large integer they were larger than the broker takes
---@field qos_not_supported integer the broker does not take their QoS
---@field retain_not_supported integer the broker keeps no retained messages
---@field withdrawn integer by the `timeout` of their `publish`
---@field closed integer the client was closed first

---How many clients are in each state.
---@class holdfast.states
---@field idle integer not started
---@field connecting integer in an attempt
---@field connected integer with a connection
---@field waiting integer for the next attempt
---@field sleeping integer until woken, or for long

---From the arrival of messages until Lua is given them, as a histogram.
---@class holdfast.dispatch
---@field count integer how many
---@field sum number seconds: that they have waited, together
---@field buckets holdfast.bucket[] by how long, the last without end

---Messages that have waited so long at most.
---@class holdfast.bucket
---@field le number seconds: at most
---@field count integer how many

---Why a connection, an attempt, a subscription or a message has ended.
---@class holdfast.reason
---@field name string one of [all reasons](reasons.md)
---@field class string what follows: `retry`, `slow`, `switch`, `stop` or `none`
---@field code integer as on the wire, where the source is the broker
---@field source string who says so: `connack`, `disconnect`, `network`, `tls` ...
---@field text string in words, with what is known of this case

---A row of the table of reasons.
---@class holdfast.reason_row
---@field name string
---@field class string what follows at first
---@field code integer
---@field source string
---@field text string in words
---@field later string the class from the `after`-th in a row on
---@field after integer 0: `class` for ever
---@field floor number seconds: that a slow wait takes at least
---@field fresh_credentials boolean the functions of yours are asked anew
---@field may_switch boolean the next attempt goes to another server if there is one
---@field wide boolean the first wait is drawn from a wider window, since many come back at once
---@field row integer its place in the table

---A message that came.
---@class holdfast.message
---@field topic string where it was published
---@field payload string any bytes
---@field qos integer 0, 1 or 2
---@field retain boolean the broker had kept it
---@field duplicate boolean the broker sends it again (DUP, MQTT 5 section 3.3.1.1)
---@field properties? holdfast.properties MQTT 5; absent where none were sent

---MQTT 5 properties, as they are given and as they come.
---@class holdfast.properties
---@field content_type? string of the payload (MQTT 5 section 3.3.2.3.9); of a message and a will
---@field response_topic? string where an answer is wanted (section 3.3.2.3.5); of a message and a will
---@field correlation_data? string what the answer is known by (section 3.3.2.3.6); of a message and a will
---@field message_expiry? integer seconds: for which the broker keeps it (section 3.3.2.3.3); of a message and a will
---@field payload_format? string `utf8` or `bytes` (section 3.3.2.3.2); of a message and a will
---@field will_delay? integer seconds: until the will is published (section 3.1.3.2.2); of a will
---@field user? table `{ name = value }`, or a list of `{ name, value }`; of any packet
---@field subscription_identifiers? integer[] those that you have given (section 3.3.2.3.8); of a message that came

---What `holdfast.new` takes.
---@class holdfast.options
---@field server? string|fun(attempt: integer): string where the broker is: mqtt://host:1883, mqtts://, mqtt+srv://service, mqtts+srv://, ws://host/path, wss://, unix:///run/broker.sock, quic://host; or a function(attempt) returning that, asked before each attempt; it may wait (string, an address; or a function)
---@field servers? string[] several, in order of preference (list of strings, addresses)
---@field client_id? string|false default: random, kept for the client's life; false: the broker chooses (string, or false)
---@field protocol? 5|4 MQTT 5, or 4 for MQTT 3.1.1 (5 or 4; default 5)
---@field fallback? boolean one downgrade to 3.1.1 if the broker refuses 5; back to 5 where a server refuses 3.1.1 (true or false; default false)
---@field transport? "paho"|"native" what carries the connection: holdfast's own transport, or Eclipse Paho C ("paho" or "native"; default "native")
---@field inspect? boolean native: each step of an attempt is told as an event `step` (true or false; default false)
---@field keep_alive? integer a quiet link is probed after this; 0: never (MQTT 5 section 3.1.2.10) (whole number, seconds, from 0 to 65,535; default 20)
---@field detect_within? number in place of keep_alive: a dead link is noticed within this time (number, seconds, from 2.5 to 163,837)
---@field clean_start? boolean the first connect begins a new session (true or false; default false)
---@field session_expiry? integer how long the broker keeps the session while we are away; 4294967295: for ever (MQTT 5 section 3.1.2.11.2) (whole number, seconds, 0 or more; default 3600)
---@field username? string CONNECT's own (string, UTF-8)
---@field password? string CONNECT's own (string, any bytes)
---@field credentials? fun(attempt: integer): string?, string? function(attempt) returning both, asked before each attempt; it may wait (function)
---@field headers? table<string, string|string[]>|fun(attempt: integer): table of a WebSocket's request: { name = value }, or a function(attempt) returning that, asked likewise (table of names and values, or a function)
---@field proxy? string|fun(attempt: integer): string|false http://user:password@host:3128, https://, socks5:// or socks5h://; a function(attempt) returning one, or false to go directly, asked likewise; or "environment" (string, or a function)
---@field response_topic? string where answers to `request` come; default: below the broker's Response Information, or one of the client's (string, a topic name)
---@field connect_timeout? number for one attempt (number, seconds, above 0; default 10)
---@field stable_after? number a connection that lives this long resets the backoff (number, seconds, 0 or more; default 10)
---@field max_attempts? integer failures in a row before the client sleeps; default: no limit (whole number, 1 or more)
---@field sleep_for? number how long it sleeps after max_attempts; default: until woken (number, seconds, above 0)
---@field receive_maximum? integer QoS 1 and 2 messages on their way to us at once (MQTT 5 section 3.1.2.11.3) (whole number, from 1 to 65,535; default 1000)
---@field window? integer unfinished QoS 1 and 2 exchanges of ours at most; default: the broker's Receive Maximum, 20 with 3.1.1 (whole number, from 1 to 65,535)
---@field acknowledge? "arrived"|"handled" QoS 1 and 2, native: once a reader has the message or its handler starts, or once it has been handled ("arrived" or "handled"; default "arrived")
---@field handle_attempts? integer handled: a message that its handler throws at so often is parked (whole number, 1 or more; default 5)
---@field handle_pause? number handled: between two attempts at one message (number, seconds, 0 or more; default 1)
---@field maximum_packet_size? integer the largest packet we accept; default: no limit (MQTT 5 section 3.1.2.11.4) (whole number, bytes, from 1 to 268,435,460)
---@field backoff? holdfast.options.backoff|fun(failure: table): number|false|nil or a function(failure) returning seconds, false or nil; it may wait ()
---@field return_to_primary? number connected to another server, look so often whether the first is back; default: only at the next outage (number, seconds, above 0)
---@field watch_network? boolean Linux: a link that comes up or an address that is new is a `network_changed()` (true or false; default false)
---@field zero_rtt? boolean QUIC: CONNECT goes with the first datagram to a server that knows us, where who listens can replay it (true or false; default false)
---@field redirect? holdfast.options.redirect follow a broker that names another server (MQTT 5 section 4.11), or an HTTP redirect ()
---@field queue? holdfast.options.queue messages accepted and not delivered yet ()
---@field limits? holdfast.options.limits for metered links, and brokers that punish who publishes faster ()
---@field inbox? holdfast.options.inbox messages received and not consumed yet; past it the broker keeps the rest ()
---@field tls? holdfast.options.tls for mqtts and wss servers; without it the system's certificates are used ()
---@field auth? holdfast.options.auth enhanced authentication (MQTT 5 section 4.12) ()
---@field will? holdfast.options.will what the broker publishes for us when we are lost ()
---@field loop? "builtin"|"cqueues"|"copas"|"luv"|"openresty"|table the event loop of this Lua state, or a table of functions (`holdfast.loop`); default: the one that runs ("builtin", "cqueues", "copas", "luv" or "openresty", or a table of functions)
---@field defaults? holdfast.defaults options of calls that are not given any: { publish = { qos = 1, timeout = 5 } }; later `client.defaults` (table, by the name of the call)
---@field policy? table what follows from a reason, by name, code or class (table, by class, code or name)
---@field properties? holdfast.properties MQTT 5 user properties of CONNECT: { user = ... } (table of properties)

---The option `backoff` of `holdfast.new`.
---@class holdfast.options.backoff
---@field strategy? "none"|"constant"|"linear"|"exponential"|"fibonacci"|"random"|"decorrelated"|"spread" how waits follow one another ("none", "constant", "linear", "exponential", "fibonacci", "random", "decorrelated" or "spread"; default "exponential")
---@field min? number the shortest delay; 0 for `random` alone (number, seconds, 0 or more; default 1)
---@field max? number the longest delay (number, seconds, above 0; default 45)
---@field factor? number exponential: from one to the next (number, from 1 to 1,000; default 2)
---@field step? number linear: from one to the next (number, seconds, above 0; default 1)
---@field jitter? "none"|"full"|"equal"|number "none", "full", "equal" or a fraction up to 1 ("none", "full", "equal", or a number above 0 and up to 1; default "full")
---@field clients? number spread: how many share the broker (number, from 1 to 1,000,000,000)
---@field rate? number spread: how many connections the broker takes a second (number, from 0.001 to 1,000,000,000)
---@field preset? "autopaho"|"aws"|"grpc"|"hivemq"|"luamqtt"|"mosquitto"|"mosquitto_exponential"|"mqttjs"|"nanosdk"|"paho"|"rumqttc" as another client waits by default, in place of all the others ("autopaho", "aws", "grpc", "hivemq", "luamqtt", "mosquitto", "mosquitto_exponential", "mqttjs", "nanosdk", "paho" or "rumqttc")

---The option `redirect` of `holdfast.new`.
---@class holdfast.options.redirect
---@field allow string[] hosts that may be followed; "*.example" stands for every name below (list of strings)
---@field hops? integer references followed in a row, without a stable connection between (whole number, from 1 to 255; default 3)

---The option `queue` of `holdfast.new`.
---@class holdfast.options.queue
---@field messages? integer how many, at most (whole number, 1 or more; default 10000)
---@field bytes? integer of their topics, payloads and properties, at most (whole number, bytes, 1 or more; default 64 * 1024 * 1024)
---@field ttl? number a message that could not be sent within this is dropped; default: no limit (number, seconds, above 0)
---@field overflow? "reject"|"drop_oldest"|"drop_newest" which message goes when there is no room: the new one is not taken, the oldest unsent one, the new one ("reject", "drop_oldest" or "drop_newest"; default "reject")
---@field store? string a file that keeps what is queued at QoS 1 and 2, and the exchanges of QoS 2, over the end of the process (string, the name of a file)
---@field sync? number how much of the store's newest a power cut may cost; 0: none, `post` waits for the disk (number, seconds, 0 or more; default 1)

---The option `limits` of `holdfast.new`.
---@class holdfast.options.limits
---@field publish_per_second? number messages at most (number, from 0.001 to 1,000,000)
---@field bytes_per_second? integer of their packets at most (whole number, bytes, 1 or more)
---@field burst? integer at once, after a pause; default: those of a second (whole number, messages, from 1 to 1,000,000)

---The option `inbox` of `holdfast.new`.
---@class holdfast.options.inbox
---@field messages? integer how many, at most (whole number, 1 or more; default 1000)
---@field bytes? integer of their topics and payloads, at most (whole number, bytes, 1 or more; default 16 * 1024 * 1024)

---The option `tls` of `holdfast.new`.
---@class holdfast.options.tls
---@field ca? string certificates to trust, a file, a hashed folder, or PEM itself; default: the system's (string, the name of a file or PEM)
---@field cert? string our own certificate chain, a file or PEM itself (string, the name of a file or PEM)
---@field key? string its key, likewise, or a token's `pkcs11:` URI; default: in the same file (string, the name of a file, PEM or a `pkcs11:` URI)
---@field key_password? string|fun(): string the key's pass phrase or PIN, or a function that returns it, called once (string, or a function that returns one)
---@field alpn? string[] application protocols to offer (RFC 7301) (list of strings)
---@field pin? string|string[] SHA-256 of the public key that the server must have, base64 as in RFC 7469; or a list of them (string, or a list of strings)
---@field crl? string lists of revoked certificates, a file or PEM itself: one of each authority in a chain (string, the name of a file or PEM)
---@field ocsp? "ask"|"require" a proof with the handshake that nothing is revoked; `ask`: missed only where the certificate promises one ("ask" or "require")
---@field psk_identity? string with psk_key in place of certificates: a key that broker and client share (string, UTF-8)
---@field psk_key? string 1 to 256 bytes as hexadecimal digits (string of hexadecimal digits)
---@field verify? boolean the chain and the host name (true or false; default true)

---The option `auth` of `holdfast.new`.
---@class holdfast.options.auth
---@field method string SCRAM-SHA-1, -256 or -512, with -PLUS bound to TLS, or one of your functions' (string, UTF-8)
---@field username? string of SCRAM (string, UTF-8)
---@field password? string of SCRAM; the broker never sees it (string, any bytes)
---@field start? fun(attempt: integer?): string?, string? function(attempt) returning the first word, asked before each attempt; it may wait (function)
---@field continue? fun(data: string): string?, string? function(data) returning the answer to the broker's; second, if you will, what its last word must be (function)

---The option `will` of `holdfast.new`.
---@class holdfast.options.will
---@field topic string where it is published (string, a topic name)
---@field payload? string what is (string, any bytes; default "")
---@field qos? 0|1|2 0: at most once, 1: at least once, 2: exactly once (0, 1 or 2; default 0)
---@field retain? boolean the broker keeps it for who subscribes later (true or false; default false)
---@field properties? holdfast.properties MQTT 5, also will_delay (table of properties)

---The options of `client:publish`.
---@class holdfast.options.publish
---@field qos? 0|1|2 0: at most once, 1: at least once, 2: exactly once; a subscription's is an upper bound (0, 1 or 2; default 0)
---@field retain? boolean the broker keeps the message for who subscribes later (true or false; default false)
---@field properties? holdfast.properties MQTT 5: `content_type`, `response_topic`, `correlation_data`, `message_expiry`, `payload_format`, `user` (table of properties)
---@field ttl? number a message that could not be sent within this is dropped; default: that of `queue.ttl` (number, seconds, above 0)
---@field priority? integer 9 first: what waits in the queue leaves by it, and in order within one (whole number, from 0 to 9; default 0)
---@field timeout? number after it a message that is not sent yet is withdrawn; default: no end (number, seconds, 0 or more)

---The options of `client:post`.
---@class holdfast.options.post
---@field qos? 0|1|2 0: at most once, 1: at least once, 2: exactly once; a subscription's is an upper bound (0, 1 or 2; default 0)
---@field retain? boolean the broker keeps the message for who subscribes later (true or false; default false)
---@field properties? holdfast.properties MQTT 5: `content_type`, `response_topic`, `correlation_data`, `message_expiry`, `payload_format`, `user` (table of properties)
---@field ttl? number a message that could not be sent within this is dropped; default: that of `queue.ttl` (number, seconds, above 0)
---@field priority? integer 9 first: what waits in the queue leaves by it, and in order within one (whole number, from 0 to 9; default 0)

---The options of `client:request`.
---@class holdfast.options.request
---@field qos? 0|1|2 of the question (0, 1 or 2; default 1)
---@field properties? holdfast.properties MQTT 5: `content_type`, `response_topic`, `correlation_data`, `message_expiry`, `payload_format`, `user` (table of properties)
---@field timeout? number for the answer (number, seconds, 0 or more; default 30)

---The options of `client:subscribe`.
---@class holdfast.options.subscribe
---@field qos? 0|1|2 0: at most once, 1: at least once, 2: exactly once; a subscription's is an upper bound (0, 1 or 2; default 0)
---@field ordered? boolean handlers one after the other, in order (true or false; default false)
---@field buffer? integer kept while nobody reads; the oldest go first; default: 1000 (whole number, messages, 1 or more)
---@field acknowledge? "arrived"|"handled" when a message of QoS 1 or 2 is acknowledged; default: as the client's ("arrived" or "handled")
---@field handle_attempts? integer default: the client's (whole number, 1 or more)
---@field handle_pause? number default: the client's (number, seconds, 0 or more)
---@field no_local? boolean MQTT 5: not what this client has published (true or false; default false)
---@field retain_as_published? boolean MQTT 5: `retain` as its publisher set it (true or false; default false)
---@field retain_handling? 0|1|2|"always"|"new"|"never" MQTT 5: when retained messages come: `"always"`, `"new"` (subscription), `"never"` (0, 1, 2, "always", "new" or "never"; default "always")
---@field identifier? integer MQTT 5: a subscription identifier; default: one of the client's own (whole number, from 1 to 268,435,455)
---@field properties? holdfast.properties MQTT 5: `user` (table of properties)

---The options of `holdfast.limit`.
---@class holdfast.options.limit
---@field attempts_per_second number how many may begin a second, in the long run (number, from 0.001 to 1,000,000)
---@field burst? integer how many may begin at once, after a pause (whole number, from 1 to 1,000,000; default 1)

---The options of `limit` of resty.holdfast.
---@class holdfast.options.shared_limit
---@field attempts_per_second number how many may begin a second, in the long run (number, from 0.001 to 1,000,000)
---@field burst? integer how many may begin at once, after a pause (whole number, from 1 to 1,000,000; default 1)
---@field dict string the name of a `lua_shared_dict` (string, UTF-8)

---The options of `client:close`.
---@class holdfast.options.close
---@field timeout? number to deliver what is queued, at most; default: 0, which does not wait (number, seconds, 0 or more)
---@field will? boolean the broker publishes the will all the same (true or false; default false)

---The options of `holdfast.log`.
---@class holdfast.options.log
---@field trace? "error"|"protocol"|"minimum"|"medium"|"maximum" also what Paho says of itself, as `debug`: from `error` (little) over `protocol` (a line a packet) to `maximum` ("error", "protocol", "minimum", "medium" or "maximum")

---The options of `holdfast.prometheus`.
---@class holdfast.options.prometheus
---@field format? "openmetrics"|"text" OpenMetrics 1.0, or the classic one ("openmetrics" or "text"; default "openmetrics")
---@field labels? table<string, string> on every series, `{ name = value }` (table of names and values)
---@field clients? integer of so many each has series of its own, with its id in the label `client`, the oldest first; 0: of none (whole number, 0 or more; default 100)

---The options of `publish` of resty.holdfast.metrics.
---@class holdfast.options.shared_metrics
---@field dict string the name of a `lua_shared_dict` (string, UTF-8)
---@field interval? number between two that a worker leaves there (number, seconds, above 0; default 5)
---@field labels? table<string, string> on every series, `{ name = value }` (table of names and values)
---@field clients? integer of so many each has series of its own, with its id in the label `client`, the oldest first; 0: of none (whole number, 0 or more; default 100)

---The options of `text` of resty.holdfast.metrics.
---@class holdfast.options.metrics_text
---@field format? "openmetrics"|"text" OpenMetrics 1.0, or the classic one ("openmetrics" or "text"; default "openmetrics")

---Options of calls that are not given any, by the name of the call.
---@class holdfast.defaults
---@field publish? holdfast.options.publish
---@field post? holdfast.options.post
---@field request? holdfast.options.request
---@field subscribe? holdfast.options.subscribe
---@field connect? { timeout?: number }
---@field ready? { timeout?: number }
---@field wait? { timeout?: number }
---@field receive? { timeout?: number }
---@field messages? { timeout?: number }
---@field granted? { timeout?: number }

---The module.
---@class holdfast
---@field _VERSION string
---@field backoff holdfast.module.backoff backoff by itself
---@field engine holdfast.module.engine the reconnect engine by itself
---@field fleet holdfast.module.fleet what a policy does to a fleet
---@field reason holdfast.module.reason the table of reasons by itself
---@field topic holdfast.module.topic topics by themselves
local holdfast = {}

---Makes a client. It does nothing before `start` or `connect`.
---
---```lua
---local client = assert(holdfast.new { server = "mqtt://localhost", client_id = "kitchen" })
---```
---@param options holdfast.options `server` or `servers`, and what else is to differ from its default
---@return holdfast.client?
---@return string? message
---@return "master"|"forked"|"out_of_memory"|"no_library"|"store_corrupt"|"store_full"|"store_read_only"|"store_locked"|"store_foreign"|"store_newer"|"store_other_client"|"store_failed"|nil code
function holdfast.new(options) end

---Runs `fn(...)` on the loop in use until it returns. The coroutines that it spawned end with it.
---A run inside a run is one like any other.
---
---```lua
---holdfast.run(function()
---  assert(client:connect(10))
---  assert(client:publish("meters/kitchen/power", "42", { qos = 1 }))
---end)
---```
---@param fn fun(...: any): any
---@param ... any its arguments
---@return any ... what `fn` returns
function holdfast.run(fn, ...) end

---Runs `fn(...)` in a coroutine of its own, from now on. It ends with the `run` that it was spawned in, what a handler
---spawns with the outermost one; an error in it ends that run, unless somebody waits in `join`.
---
---```lua
---local task = holdfast.spawn(client.publish, client, "meters/kitchen/power", "42", { qos = 1 })
----- ... and when it matters:
---local delivered, message, code = task:join(5)
---```
---@param fn fun(...: any): any
---@param ... any its arguments
---@return holdfast.task
function holdfast.spawn(fn, ...) end

---Waits, while everything else goes on.
---
---```lua
---holdfast.sleep(0.5)
---```
---@param seconds number 0: gives everything else a turn
function holdfast.sleep(seconds) end

---Bounds the connection attempts of all clients of this process (a token bucket).
---
---```lua
---assert(holdfast.limit { attempts_per_second = 5, burst = 10 })
---```
---@param options holdfast.options.limit? nil: no bound
---@return boolean? # true
---@return string? message
---@return "master"|"forked"|"out_of_memory"|nil code
function holdfast.limit(options) end

---Totals of this process since its start, and how the clients of this Lua state stand: docs/metrics.md.
---
---```lua
---local totals = holdfast.metrics()
---print(totals.clients, totals.connects, totals.losses)
---```
---@return holdfast.metrics
function holdfast.metrics() end

---The same, and each client of this Lua state, as text for Prometheus: docs/metrics.md. Nothing waits, and nothing
---goes over the network: whoever serves it does that.
---
---```lua
---local text, content_type = holdfast.prometheus { labels = { app = "gateway" } }
---```
---@param options? holdfast.options.prometheus
---@return string # the text
---@return string # its content type, for HTTP
function holdfast.prometheus(options) end

---Sets where the library's own words go: what happens to each connection, warnings, and errors in handlers that no
---`error` handler takes. Without a listener such errors go to the standard error (in nginx to its error log), warnings
---to `warn` on Lua 5.4, and nothing else is said.
---
---```lua
---holdfast.log(function(level, message, fields)
---  print(level, fields.client, message)
---end)
---```
---@param listener function|table|nil `fn(level, message, fields)`, which must not wait, with level "debug", "info", "warning" or "error"; or a LuaLogging logger; nil: nobody listens
---@param options? holdfast.options.log `trace`: also what Paho says of itself, as "debug"; one Lua state of the process hears it
---@return boolean? # true
---@return string? message
---@return "forked"|nil code
function holdfast.log(listener, options) end

---Waits until one of several has something to take, and says which. Nothing is taken: that is the caller's, with the
---call of the object that takes (and a timeout of 0, where others take from it too).
---
---```lua
---local stop, lost = client:subscribe "stop", client:event "lost"
---local which = holdfast.first({ stop, lost }, 60)
---if which == lost then
---  print(lost:wait(0).reason.name)
---end
---```
---@param objects table[] subscriptions, tasks, and what `client:event` returns
---@param timeout? number seconds; default: no end
---@return table? # the first in the list that is ready
---@return integer|string # its place in the list; or message, why not
---@return "timeout"|"forked"|"credentials"|"backoff"|"auth"|nil code
function holdfast.first(objects, timeout) end

---As Lua's `pcall`, in a coroutine that can be suspended where this is called.
---
---```lua
---local fine, problem = holdfast.pcall(function()
---  assert(client:publish("meters/kitchen/power", "42", { qos = 1 }))
---end)
---```
---@param fn fun(...: any): any
---@param ... any its arguments
---@return boolean # true, or false
---@return any ... what `fn` returns; or what it has thrown
function holdfast.pcall(fn, ...) end

---A client.
---@class holdfast.client
---@field defaults holdfast.defaults options of calls that are not given any
local Client = {}

---Begins to hold the connection. A second call means nothing.
---
---```lua
---assert(client:start())
---```
---@return holdfast.client? # the client
---@return string? message
---@return "closed"|"forked"|"out_of_memory"|nil code
function Client:start() end

---Starts the client and waits until it is ready: connected, and every subscription answered by the broker.
---It goes on trying after a timeout. A client that sleeps is not woken, `wake` does that.
---
---```lua
---local ready, message, code = client:connect(10)
---if not ready then
---  print(code, message) --> timeout   not ready within 10 s; the last failure is connection_refused (...)
---end
---```
---@param timeout? number seconds; default: that of `client.defaults.connect`, or no end
---@return boolean? # true
---@return string? message
---@return "timeout"|"sleeping"|"closed"|"forked"|"out_of_memory"|"credentials"|"backoff"|"auth"|nil code
---@return holdfast.reason? # why, when it sleeps
function Client:connect(timeout) end

---Waits until the client is ready: at once if it is, else as `connect`, but it is not started.
---
---```lua
---if client:ready(0) then
---  print "connected, and every subscription is in place"
---end
---```
---@param timeout? number seconds; default: that of `client.defaults.ready`, or no end
---@return boolean? # true
---@return string? message
---@return "timeout"|"sleeping"|"closed"|"forked"|"credentials"|"backoff"|"auth"|nil code
---@return holdfast.reason? # why, when it sleeps
function Client:ready(timeout) end

---Adds a handler for an event: `fn(event, client)` in a coroutine of its own, each time.
---
---```lua
---client:on("lost", function(event)
---  print(event.reason.name, event.retry_in)
---end)
---```
---@param name holdfast.event_name
---@param fn fun(...: any): any `fn(event, client)`; may wait
---@return holdfast.client # the client
---@overload fun(self: holdfast.client, name: "connecting", fn: fun(event: holdfast.event.connecting, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "connected", fn: fun(event: holdfast.event.connected, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "ready", fn: fun(event: holdfast.event.ready, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "failed", fn: fun(event: holdfast.event.failed, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "lost", fn: fun(event: holdfast.event.lost, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "sleeping", fn: fun(event: holdfast.event.sleeping, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "closed", fn: fun(event: holdfast.event.closed, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "message", fn: fun(event: holdfast.message, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "delivered", fn: fun(event: holdfast.event.delivered, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "dropped", fn: fun(event: holdfast.event.dropped, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "parked", fn: fun(event: holdfast.event.parked, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "step", fn: fun(event: holdfast.event.step, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "store", fn: fun(event: holdfast.event.store, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "error", fn: fun(event: holdfast.event.error, client: holdfast.client)): holdfast.client
function Client:on(name, fn) end

---Adds a handler for the next event of a name.
---
---```lua
---client:once("ready", print)
---```
---@param name holdfast.event_name
---@param fn fun(...: any): any `fn(event, client)`; may wait
---@return holdfast.client # the client
---@overload fun(self: holdfast.client, name: "connecting", fn: fun(event: holdfast.event.connecting, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "connected", fn: fun(event: holdfast.event.connected, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "ready", fn: fun(event: holdfast.event.ready, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "failed", fn: fun(event: holdfast.event.failed, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "lost", fn: fun(event: holdfast.event.lost, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "sleeping", fn: fun(event: holdfast.event.sleeping, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "closed", fn: fun(event: holdfast.event.closed, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "message", fn: fun(event: holdfast.message, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "delivered", fn: fun(event: holdfast.event.delivered, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "dropped", fn: fun(event: holdfast.event.dropped, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "parked", fn: fun(event: holdfast.event.parked, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "step", fn: fun(event: holdfast.event.step, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "store", fn: fun(event: holdfast.event.store, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "error", fn: fun(event: holdfast.event.error, client: holdfast.client)): holdfast.client
function Client:once(name, fn) end

---Takes a handler out; one that is not there is no mistake.
---
---```lua
---client:off("lost", print)
---```
---@param name holdfast.event_name
---@param fn fun(...: any): any
---@return holdfast.client # the client
---@overload fun(self: holdfast.client, name: "connecting", fn: fun(event: holdfast.event.connecting, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "connected", fn: fun(event: holdfast.event.connected, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "ready", fn: fun(event: holdfast.event.ready, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "failed", fn: fun(event: holdfast.event.failed, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "lost", fn: fun(event: holdfast.event.lost, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "sleeping", fn: fun(event: holdfast.event.sleeping, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "closed", fn: fun(event: holdfast.event.closed, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "message", fn: fun(event: holdfast.message, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "delivered", fn: fun(event: holdfast.event.delivered, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "dropped", fn: fun(event: holdfast.event.dropped, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "parked", fn: fun(event: holdfast.event.parked, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "step", fn: fun(event: holdfast.event.step, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "store", fn: fun(event: holdfast.event.store, client: holdfast.client)): holdfast.client
---@overload fun(self: holdfast.client, name: "error", fn: fun(event: holdfast.event.error, client: holdfast.client)): holdfast.client
function Client:off(name, fn) end

---Waits for the next event of a name.
---
---```lua
---local event = client:wait("lost", 60)
---print(event and event.reason.name or "a quiet minute")
---```
---@param name holdfast.event_name
---@param timeout? number seconds; default: that of `client.defaults.wait`, or no end
---@return holdfast.event? # the event
---@return string? message
---@return "timeout"|"closed"|"forked"|"credentials"|"backoff"|"auth"|nil code
---@overload fun(self: holdfast.client, name: "connecting", timeout?: number): holdfast.event.connecting?, string?, string?
---@overload fun(self: holdfast.client, name: "connected", timeout?: number): holdfast.event.connected?, string?, string?
---@overload fun(self: holdfast.client, name: "ready", timeout?: number): holdfast.event.ready?, string?, string?
---@overload fun(self: holdfast.client, name: "failed", timeout?: number): holdfast.event.failed?, string?, string?
---@overload fun(self: holdfast.client, name: "lost", timeout?: number): holdfast.event.lost?, string?, string?
---@overload fun(self: holdfast.client, name: "sleeping", timeout?: number): holdfast.event.sleeping?, string?, string?
---@overload fun(self: holdfast.client, name: "closed", timeout?: number): holdfast.event.closed?, string?, string?
---@overload fun(self: holdfast.client, name: "message", timeout?: number): holdfast.message?, string?, string?
---@overload fun(self: holdfast.client, name: "delivered", timeout?: number): holdfast.event.delivered?, string?, string?
---@overload fun(self: holdfast.client, name: "dropped", timeout?: number): holdfast.event.dropped?, string?, string?
---@overload fun(self: holdfast.client, name: "parked", timeout?: number): holdfast.event.parked?, string?, string?
---@overload fun(self: holdfast.client, name: "step", timeout?: number): holdfast.event.step?, string?, string?
---@overload fun(self: holdfast.client, name: "store", timeout?: number): holdfast.event.store?, string?, string?
---@overload fun(self: holdfast.client, name: "error", timeout?: number): holdfast.event.error?, string?, string?
function Client:wait(name, timeout) end

---Keeps the newest event of a name from now on, until it is taken: nothing is missed between two waits.
---
---```lua
---local lost = client:event "lost"
---client:reconnect()
---print(lost:wait(5)) -- though it may have happened before this line
---```
---@param name holdfast.event_name
---@return holdfast.latest # for `holdfast.first`, too
function Client:event(name) end

---Wishes for messages, before the start, in an outage, at any time; kept through every reconnect.
---
---```lua
---client:subscribe("meters/+/power", { qos = 1 }, function(message)
---  print(message.topic, message.payload)
---end)
---```
---@param filter string topic filter, also "$share/group/filter" (MQTT 5 sections 4.7 and 4.8.2)
---@param given? holdfast.options.subscribe
---@param handler? fun(...: any): any `handler(message, subscription)`; may wait, and may take the place of `given`
---@return holdfast.subscription?
---@return string? message
---@return "closed"|"forked"|"out_of_memory"|nil code
---@overload fun(self: holdfast.client, filter: string, handler: fun(message: holdfast.message, subscription: holdfast.subscription)): holdfast.subscription?, string?, string?
function Client:subscribe(filter, given, handler) end

---Publishes a message and waits for its outcome, through outages.
---With a full queue it first waits for room, in line with the other calls that do, unless `queue.overflow` has another
---message go.
---
---```lua
---local delivered, message, code, more = client:publish("meters/kitchen/power", "42", { qos = 1, timeout = 5 })
---if code == "timeout" and more == "withdrawn" then
---  print "it never left"
---end
---```
---@param topic string no wildcards (MQTT 5 section 4.7)
---@param payload string
---@param given? holdfast.options.publish
---@return boolean? # true once it is acknowledged as its QoS demands, at QoS 0 once it is handed to the network
---@return string|holdfast.reason|nil message # why not; when it is, the reason, if the broker had something to say
---@return "timeout"|"refused"|"expired"|"overflow"|"closed"|"kept"|"disconnected"|"too_large"|"qos_not_supported"|"retain_not_supported"|"forked"|"out_of_memory"|"credentials"|"backoff"|"auth"|"store_full"|"store_failed"|nil code
---@return any # "sent" or "withdrawn" after "timeout"; the reason after "refused" and "disconnected"
function Client:publish(topic, payload, given) end

---Has a message accepted by the queue, without waiting. To wait for the outcome, `publish`: a `wait` for `delivered`
---begins when that may have happened already.
---
---```lua
---local id, message, code = client:post("meters/kitchen/power", "42", { qos = 1 })
---```
---@param topic string no wildcards (MQTT 5 section 4.7)
---@param payload string
---@param given? holdfast.options.post
---@return number? # id; the outcome comes as `delivered` or `dropped` if there is a handler for one of them by now
---@return string? message
---@return "queue_full"|"closed"|"too_large"|"forked"|"out_of_memory"|"store_full"|"store_failed"|nil code
function Client:post(topic, payload, given) end

---Publishes a question and waits for its answer, through outages (MQTT 5 section 4.10).
---
---```lua
---local answer, message, code = client:request("adder/add", "1 2", { timeout = 5 })
---print(answer and answer.payload or message)
---```
---@param topic string where it is asked
---@param payload string
---@param given? holdfast.options.request the question's `message_expiry` is the timeout unless given
---@return holdfast.message? # the answer
---@return string? message
---@return "timeout"|"closed"|"sleeping"|"refused"|"protocol"|"expired"|"overflow"|"disconnected"|"too_large"|"qos_not_supported"|"forked"|"out_of_memory"|"credentials"|"backoff"|"auth"|"store_full"|"store_failed"|nil code
---@return any # the reason after "refused", "disconnected" and "sleeping"
function Client:request(topic, payload, given) end

---Answers the questions that match a filter: as `subscribe` with a handler that returns the answer.
---
---```lua
---client:respond("adder/add", function(question)
---  local one, other = question.payload:match "(%d+) (%d+)"
---  return tostring(one + other)
---end)
---```
---@param filter string
---@param given? holdfast.options.subscribe `qos` is 1 unless given
---@param fn fun(...: any): any `fn(question, subscription)` returns the payload of the answer, and options of `post` (`qos` is 1 unless given); nil: none is sent, nor to a message that asks for none. May take the place of `given`
---@return holdfast.subscription?
---@return string? message
---@return "closed"|"forked"|"out_of_memory"|nil code
---@overload fun(self: holdfast.client, filter: string, fn: fun(question: holdfast.message, subscription: holdfast.subscription): string?, holdfast.options.post?): holdfast.subscription?, string?, string?
function Client:respond(filter, given, fn) end

---Enhanced authentication once more on the connection that stands, as before a token ends (MQTT 5 section 4.12.1).
---Where the broker is not content it ends the connection, and the next attempt begins anew.
---
---```lua
---local fine, message, code = client:reauthenticate(10)
---```
---@param timeout? number seconds; default: no end
---@return boolean? # true once the broker is content
---@return string? message
---@return "not_connected"|"busy"|"lost"|"timeout"|"credentials_failed"|"closed"|"forked"|"out_of_memory"|"credentials"|"backoff"|"auth"|nil code
---@return holdfast.reason? # why, when lost
function Client:reauthenticate(timeout) end

---How the connection stands.
---Over the native transport, while connected, it has `path`: `road` ("quic", "tcp", "websocket", "unix"); `rtt`,
---`rtt_min`, `rtt_variance` (seconds; the first smoothed: RFC 9002 section 5.3, RFC 6298); `sent` and `retransmitted`
---(packets; what is lost is sent again); with TLS `resumed`; over QUIC `migrations` (to another address of ours) and
---`early` ("none", "accepted", "rejected": what the server made of CONNECT in 0-RTT). What the system does not tell is
---absent. It was looked at `age` seconds ago: at the connect, and after each call of this function, once a second at
---most. With a proxy it is the way to that.
---
---```lua
---local status = client:status()
---print(status.state, status.queued.messages, status.retry_in)
---```
---@return holdfast.status?
---@return string? message
---@return "forked"|nil code
function Client:status() end

---The latest attempts, 16 at most, oldest first. Of two servers that one attempt took, `quic` and behind it `mqtts` of
---the same host (RFC 8305), `beside` is the one that was begun and not taken: `server`, `phase`, and `name`, `source`,
---`code` where it failed and was not only slower.
---
---```lua
---for _, attempt in ipairs(client:history()) do
---  print(attempt.server, attempt.phase, attempt.name, attempt.delay)
---end
---```
---@return holdfast.attempt[]?
---@return string? message
---@return "forked"|nil code
function Client:history() end

---Leaves the sleep.
---
---```lua
---client:on("sleeping", function(event)
---  if event.reason.name == "not_authorized" then
---    holdfast.sleep(600) -- until somebody has mended it
---    client:wake()
---  end
---end)
---```
---@return boolean? # true
---@return string? message
---@return "closed"|"forked"|"out_of_memory"|nil code
function Client:wake() end

---Leaves the sleep, cuts a wait short; a connection that stands is made anew.
---
---```lua
---client:reconnect() -- with the certificate that has just been renewed
---```
---@return boolean? # true
---@return string? message
---@return "closed"|"forked"|"out_of_memory"|nil code
function Client:reconnect() end

---The network has changed: leaves the sleep, cuts a wait short, probes a connection that stands.
---
---```lua
---client:network_changed() -- the modem has dialled in again
---```
---@return boolean? # true
---@return string? message
---@return "closed"|"forked"|"out_of_memory"|nil code
function Client:network_changed() end

---Disconnects for good. Nothing connects after it; calls that wait answer "closed". May be called from anywhere, again
---and again. It says goodbye to the broker, which throws the will away (MQTT 5 section 3.14.4); a client that ends in
---any other way has not said it, and the broker publishes the will. With `acknowledge = "handled"` no handler begins
---any more, and those under way may end within the time; what has not been handled comes again in its session, if kept.
---
---```lua
---client:close(5) -- gives what is queued up to five seconds
---```
---@param given? number|holdfast.options.close|nil seconds to deliver what is queued, at most; 0: does not wait at all, what is queued is lost; or a table of options
---@return boolean? # true
---@return string? message
---@return "forked"|nil code
function Client:close(given) end

---The descriptor that is readable when there is something to hand out, for a loop of the user's own; with `events`
---and `timeout` the client is an object that cqueues polls. What there is is handed out by a wait, were it
---`holdfast.sleep(0)`. All clients of a Lua state share one; never read it, and let go of it before the last is closed.
---
---```lua
---local descriptor, seconds = client:pollfd(), client:timeout()
----- poll it for as long as that; then:
---holdfast.sleep(0)
---```
---@return number
function Client:pollfd() end

---What to poll the descriptor for.
---
---```lua
---assert(client:events() == "r")
---```
---@return string # "r"
function Client:events() end

---After which time there is something to do whether or not the descriptor is readable.
---
---```lua
---local seconds = client:timeout() or math.huge
---```
---@return number? # seconds; nil: never
function Client:timeout() end

---As `pollfd`; with `dirty` the client is an object that LuaSocket's `select` takes.
---
---```lua
---local socket = require "socket"
---socket.select({ client }, nil, client:timeout())
---holdfast.sleep(0)
---```
---@return number
function Client:getfd() end

---Whether there is something to do although the descriptor is not readable.
---
---```lua
---if client:dirty() then
---  holdfast.sleep(0)
---end
---```
---@return boolean
function Client:dirty() end

---Sets timeouts of `client.defaults` as other libraries of OpenResty have it, in milliseconds; nil: without end, as at
---first.
---
---```lua
---client:set_timeouts(1000, 5000, 30000)
---```
---@param connect number? milliseconds, for `connect`
---@param publish number? milliseconds, for `publish`
---@param receive number? milliseconds, for `receive` and `messages` of its subscriptions
function Client:set_timeouts(connect, publish, receive) end

---A subscription.
---@class holdfast.subscription
---@field filter string what was asked for
---@field dropped integer messages that were dropped while nobody read
local Subscription = {}

---Iterates over the messages as they come, until the subscription is removed or the client closed.
---On Lua 5.1, which cannot suspend a `for`, only one coroutine at a time can wait in such a loop. One that is left by
---`break`, `return` or an error still counts as somebody who reads, for whom messages are kept, until it is closed: by
---Lua 5.4 itself, elsewhere by `closer:close()` or `leave`.
---
---```lua
---for message in meters:messages(60) do
---  print(message.topic, message.payload)
---end
---print(meters:ended()) --> timeout, after a minute without a message
---```
---@param timeout? number seconds for each message, after which the loop ends; default: that of `client.defaults.messages`, or no end
---@return fun(...: any): any # what a `for` loop calls for the next message
---@return nil
---@return nil
---@return holdfast.closer # what closes the loop
function Subscription:messages(timeout) end

---Takes one message, waiting for it.
---
---```lua
---local message = meters:receive(60)
---print(message and message.payload or "nothing for a minute")
---```
---@param timeout? number seconds; default: that of `client.defaults.receive`, or no end
---@return holdfast.message?
---@return string? message # why not
---@return "timeout"|"removed"|"closed"|"forked"|"credentials"|"backoff"|"auth"|nil code
function Subscription:receive(timeout) end

---Waits for the broker's verdict, or answers the latest.
---
---```lua
---local qos, message = meters:granted(10)
---print(qos and "granted" or message, qos)
---```
---@param timeout? number seconds; default: that of `client.defaults.granted`, or no end
---@return number? # the granted QoS, which may be lower than the one asked for (MQTT 5 section 3.9.3)
---@return string? message # why not
---@return "refused"|"timeout"|"removed"|"closed"|"forked"|"credentials"|"backoff"|"auth"|nil code
---@return holdfast.reason? # why, when refused
function Subscription:granted(timeout) end

---Says why the latest loop over the messages has ended.
---
---```lua
---if meters:ended() == "removed" then
---  print "somebody has removed the subscription"
---end
---```
---@return string? # "left" (closed before its end), "timeout", "removed" or "closed"; nil while it goes on, or before the first
function Subscription:ended() end

---Says that nobody reads any more but who waits for a message right now: what closing a loop says of that one alone.
---Who reads again, or goes on with its loop, counts again. What the caller has in its hand has been handled.
---
---```lua
---for message in meters:messages() do
---  if message.payload == "stop" then
---    break
---  end
---end
---meters:leave() -- Lua 5.4 needs no such line
---```
---@return boolean # true
function Subscription:leave() end

---Ends the subscription: the broker is told, the wish forgotten, what is buffered dropped. Nobody is given again what
---readers have in their hands, which is acknowledged.
---
---```lua
---meters:remove()
---```
---@return boolean # true
function Subscription:remove() end

---What closes a loop over messages.
---@class holdfast.closer
local Closer = {}

---Ends the loop: its subscription is no longer read by it.
---
---```lua
---local take, _, _, closer = meters:messages(60)
---print(take())
---closer:close()
---```
function Closer:close() end

---What client:event answers.
---@class holdfast.latest
local Latest = {}

---Takes the newest event, or waits for one.
---
---```lua
---local ready = client:event "ready"
---client:start()
---print(ready:wait(10).subscriptions)
---```
---@param timeout? number seconds; default: no end
---@return holdfast.event? # the event
---@return string? message
---@return "timeout"|"closed"|"forked"|"credentials"|"backoff"|"auth"|nil code
function Latest:wait(timeout) end

---A task.
---@class holdfast.task
local Task = {}

---Waits until it is over. While somebody waits here, or in `holdfast.first`, an error in the task is
---told to him, and to nobody else.
---
---```lua
---local task = holdfast.spawn(function()
---  return 6 * 7
---end)
---print(task:join(1)) --> 42
---```
---@param timeout? number seconds; default: no end
---@return any ... what its function has returned; or nil
---@return string? message # why not
---@return "failed"|"cancelled"|"ended"|"timeout"|nil code
---@return any # what was thrown, after "failed"
function Task:join(timeout) end

---Ends it where it waits, or at its next wait. On Lua 5.4 its variables are closed. In nginx and in a loop of your own
---nobody but a coroutine can end it: there what it waits in is an error, once.
---
---```lua
---local task = holdfast.spawn(holdfast.sleep, 3600)
---print(task:cancel()) --> true
---```
---@return boolean # whether it was not over yet
function Task:cancel() end

---Backoff by itself.
---@class holdfast.module.backoff
local backoff = {}

---A backoff.
---
---```lua
---local backoff = holdfast.backoff.new({ strategy = "decorrelated", min = 0.5, max = 30 }, 42)
---```
---@param spec? holdfast.options.backoff
---@param seed? number a whole number; the same one gives the same delays. Default: from the system
---@return holdfast.backoff
function backoff.new(spec, seed) end

---A backoff.
---@class holdfast.backoff
local Backoff = {}

---Draws the next delay.
---
---```lua
---local seconds = holdfast.backoff.new({ min = 1, max = 45 }):next()
---```
---@return number? # seconds; nil: never again (strategy "none")
function Backoff:next() end

---Forgets the failures, after a success. The generator goes on, so that no sequence repeats.
---
---```lua
---local backoff = holdfast.backoff.new()
---backoff:reset()
---```
function Backoff:reset() end

---Where the next delay will be.
---
---```lua
---local low, high = holdfast.backoff.new({ jitter = "equal" }):interval()
---```
---@return number # seconds, at least
---@return number # seconds, at most
function Backoff:interval() end

---The next delays, without drawing them.
---
---```lua
---for _, seconds in ipairs(holdfast.backoff.new():preview(5)) do
---  print(seconds)
---end
---```
---@param count number how many
---@return number[] # seconds
function Backoff:preview(count) end

---The engine by itself.
---@class holdfast.module.engine
local engine = {}

---An engine.
---
---```lua
---local engine = holdfast.engine.new({ connect_timeout = 5 }, 42, 0)
---```
---@param given? holdfast.options of which it reads `servers`, `backoff`, `policy`, `connect_timeout`, `stable_after`, `max_attempts` and `sleep_for`
---@param seed? number a whole number; the same one gives the same delays. Default: from the system
---@param now? number seconds on the caller's clock
---@return holdfast.engine
function engine.new(given, seed, now) end

---The whole behaviour.
---
---```lua
---for _, row in ipairs(holdfast.engine.table()) do
---  print(row.state, row.input, row.next, table.concat(row.actions, ", "))
---end
---```
---@return table[] # rows of { state, input, next, actions }
function engine.table() end

---An engine.
---@class holdfast.engine
local Engine = {}

---One step.
---
---```lua
---local engine = holdfast.engine.new()
---print(table.concat(engine:step(0, "start"), ", ")) --> connect, tell_connecting
---print(table.concat(engine:step(1, "failed", "connack", 0x89), ", ")) --> tell_failed
---```
---@param now number seconds on the caller's clock
---@param input string "start", "connected", "failed", "lost", "timer", "wake", "reconnect", "hint", "delay", "refuse", "hold", "release" or "close"
---@param source? string|number of the reason, with "failed", "lost" and "hold"; the seconds to wait, with "delay"
---@param code? number of the reason, with "failed", "lost" and "hold"
---@return string[] # what must be done and told, in order: "abandon", "disconnect", "connect", "probe", "tell_failed", "tell_lost", "tell_sleeping", "tell_connecting", "tell_connected", "tell_stable", "tell_closed"; empty when the input means nothing in this state
function Engine:step(now, input, source, code) end

---Where it stands.
---
---```lua
---local engine = holdfast.engine.new()
---engine:step(0, "start")
---print(engine:state().state, engine:state().deadline) --> connecting  10.0
---```
---@return table # `state`, `server` (its place in the list), `attempt`, `delay` (chosen last), `deadline` (when to step it with "timer"; nil: never), `since`, `down_since` (times in seconds), `reason`, `class`, `held`, `stable` ...
function Engine:state() end

---Reasons by themselves.
---@class holdfast.module.reason
---@field classes string[] `none`, `retry`, `slow`, `switch`, `stop`
---@field sources string[] `connack`, `disconnect`, `network`, `tls` ...
---@overload fun(source: string, code: integer): holdfast.reason_row
local reason = {}

---Every row of the table, in order.
---
---```lua
---for _, row in ipairs(holdfast.reason.all()) do
---  print(row.source, row.code, row.name, row.class)
---end
---```
---@return holdfast.reason_row[] # what `holdfast.reason(source, code)` answers
function reason.all() end

---Topics by themselves.
---@class holdfast.module.topic
local topic = {}

---Checks a topic name or a topic filter, as the calls of a client do.
---
---```lua
---print(holdfast.topic.check("a/+/b")) --> nil and what is wrong
---print(holdfast.topic.check("a/+/b", "filter")) --> true
---```
---@param given any
---@param kind? string "name", which has no wildcards, or "filter"
---@return boolean? # true
---@return string? message # what is wrong: "topic must not be empty, got ..."
function topic.check(given, kind) end

---Whether a message on a topic belongs to a filter. "$share/group/..." counts by what follows the group; a wildcard at
---the start does not match a name that starts with "$" [MQTT-4.7.2-1].
---
---```lua
---print(holdfast.topic.match("a/+/b", "a/x/b")) --> true
---```
---@param filter string
---@param name string
---@return boolean
function topic.match(filter, name) end

---A simulated fleet.
---@class holdfast.module.fleet
local fleet = {}

---Simulates one outage.
---Its options are any of a client that the engine knows (`backoff`, `policy`, `connect_timeout`, `stable_after`,
---`max_attempts`, `sleep_for`), and
---
---* of the fleet: `clients` (100,000), `seed` (1), `latency` (0 s, one way), `stagger` (0 s over which the clients come
---  to know of the loss), `restart_share` (0 .. 1 of the clients restart once, within `restart_within` seconds of the
---  outage's beginning, by default during it), `attempts_per_second` and `burst` of `holdfast.limit` for processes of
---  `clients_per_process` (1), `resend` (false), `horizon` (s, the end if not all are connected before);
---* of the broker: `accept_rate` (1,000 a second), `accept_queue` (1,000), `outage_at` (0 s), `outage` (60 s),
---  `while_down` ("refused", or "silent"), `drop_for` (0 s), `drop_after` (1 s), `busy_above` (0: never), `busy_code`
---  (0x89; 0x88, 0x9F);
---* `servers`, a list of such brokers in the clients' order of preference; what one does not say is as above;
---* `progress`, a function(now, share connected), called once a simulated second.
---
---The result has
---
---* `series`: arrays `attempts` (begun), `refused`, `connected`, `queue`, one number a second, the first from the
---  beginning of the simulation (`back` is the second at which the first server returns);
---* `t50`, `t99`, `t100`: seconds after that return from which on so many percent are connected, below 0 if that was
---  before it, 0 at the latest if they never were lost; nil: never;
---* `ideal`: seconds the brokers need at least, clients / accept_rate; `ratio`: t99 / (0.99 ideal);
---* `attempts_per_client` after the return, `attempts_before` it; `peak_over_rate`: most attempts in a second after it
---  over accept_rate; `wasted_per_client`: handshakes worked on in vain, for who had given up or was dropped again;
---* `downtime_mean`, `downtime_p99`: seconds that a client was not connected;
---* `clients`, `connected` (at the end), `back`, `duration` (simulated seconds), `bytes_per_client`.
---
---```lua
---local result = holdfast.fleet.run { clients = 20000, accept_rate = 400, outage = 30, backoff = { max = 90 } }
---print(result.t99, result.ratio, result.attempts_per_client)
---```
---@param options table as above
---@return table? # the result
---@return string? message
---@return "out_of_memory"|nil code
function fleet.run(options) end

return holdfast
