#include "stream/tls_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/openssl.h"
#include "stream/tls_bio.h"
#include "stream/tls_context.h"
#include "stream/tls_inspect.h"
#include "stream/tls_names.h"
#include "sys/clock.h"

enum { RECORD = 16384 /* bytes of ours that go into one */ };

typedef struct tls {
  hf_stream stream;
  hf_loop *loop;
  hf_tls_pipe pipe; /* with the stream below */
  hf_tls_use use;
  SSL *ssl; /* from when the stream below has opened until it is left */
  hf_task task;
  hf_timer timer; /* of a leave that waits for room below */
  int64_t leave_by;
  void (*done)(void *owner);
  hf_stream_state state;
  const hf_reason *reason; /* NULL while, or although, it has ended in good order */
  int code;                /* as the stream below told them, if that is how it has ended */
  uint32_t retry_after;
  hf_tls_finding finding;        /* what our own look at a certificate came to; else only the text */
  const hf_inspector *inspector; /* NULL: nobody; or the chain has been shown, and the handshake has failed */
  bool attends;
  bool more;    /* the last read gave something, and there may be more in OpenSSL */
  bool refused; /* a write was not taken as a whole */
  bool asked;   /* for a certificate, which we do not have */
  bool reached; /* the stream below has opened */
  bool leaving;
} tls;

static tls *of(const hf_stream *stream) {
  return (tls *)stream;
}

static hf_stream_state state_below(const tls *t) {
  return t->pipe.lower->operations->state(t->pipe.lower);
}

/* The owner may end the stream in it: nothing comes after this. */
static void tell(tls *t) {
  t->stream.watcher.changed(t->stream.watcher.owner);
}

static void free_ssl(tls *t) {
  if (!t->ssl) return;
  SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* or its tickets would be void */
  SSL_free(t->ssl);
  t->ssl = NULL;
}

/* All but the stream below. */
static void destroy(tls *t) {
  free_ssl(t);
  hf_loop_stop(t->loop, &t->timer);
  hf_loop_cancel(t->loop, &t->task);
  hf_tls_pipe_free(&t->pipe);
  hf_tls_use_free(&t->use);
  free(t);
}

/* ---- ends ---- */

static void end_with(tls *t, const hf_reason *reason, const char *text) {
  t->state = HF_STREAM_ENDED;
  t->reason = reason;
  snprintf(t->finding.text, sizeof t->finding.text, "%s", text);
}

static void end_as_below(tls *t) {
  hf_stream_end how;
  t->pipe.lower->operations->end(t->pipe.lower, &how);
  end_with(t, how.reason, how.text);
  t->code = how.code;
  t->retry_after = how.retry_after;
}

static void end_with_finding(tls *t) {
  t->state = HF_STREAM_ENDED;
  t->reason = hf_reason_find(HF_SOURCE_TLS, t->finding.code);
  hf_tls_use_distrust(&t->use);
}

static void starve(tls *t) {
  end_with(t, hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY), "");
}

/* ---- the handshake ---- */

static bool has_psk(const tls *t) {
  return hf_tls_context_has_psk(t->use.context);
}

/* With what we have found, or, where nobody verifies, OpenSSL's own verdict. */
static void show_chain(tls *t, STACK_OF(X509) * chain, long verdict) {
  if (!t->inspector || !chain) return;
  const char *problem = verdict == X509_V_OK ? NULL : X509_verify_cert_error_string(verdict);
  hf_tls_inspect_chain(t->inspector, t->use.host, chain, t->finding.code ? t->finding.text : problem);
}

/* Of a chain that is not trusted OpenSSL keeps nothing. */
static void show_distrusted(tls *t, X509_STORE_CTX *store) {
  show_chain(t, X509_STORE_CTX_get0_untrusted(store), X509_V_OK);
  t->inspector = NULL;
}

/* The first complaint is the one that counts. */
static int judge(int fine, X509_STORE_CTX *store) {
  const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  tls *t = (tls *)((char *)SSL_get_app_data(ssl) - offsetof(tls, use));
  if (t->finding.code) return fine;
  X509 *certificate = X509_STORE_CTX_get_current_cert(store);
  int verdict = X509_STORE_CTX_get_error(store);
  if (has_psk(t))
    hf_tls_find(&t->finding, HF_TLS_HANDSHAKE, "the server shows a certificate and does not use the shared key");
  else if (!fine && (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH))
    hf_tls_find_other_host(&t->finding, certificate, t->use.host);
  else if (!fine)
    hf_tls_find_verdict(&t->finding, verdict, certificate);
  if (t->finding.code) show_distrusted(t, store);
  return fine && !has_psk(t);
}

static int note_request(SSL *ssl, void *context) {
  tls *t = context;
  t->asked = !SSL_get_certificate(ssl);
  return 1;
}

static bool expect_host(const tls *t) {
  X509_VERIFY_PARAM *expected = SSL_get0_param(t->ssl);
  if (t->use.is_address) return X509_VERIFY_PARAM_set1_ip_asc(expected, t->use.host) == 1;
  return SSL_set_tlsext_host_name(t->ssl, t->use.host) == 1 &&
         X509_VERIFY_PARAM_set1_host(expected, t->use.host, 0) == 1;
}

static bool begin(tls *t) {
  bool verifies = hf_tls_context_verifies(t->use.context) || has_psk(t);
  t->ssl = hf_tls_use_begin(&t->use);
  BIO *bio = t->ssl ? hf_tls_pipe_bio(&t->pipe) : NULL;
  if (!bio) return false;
  SSL_set_bio(t->ssl, bio, bio);
  SSL_set_connect_state(t->ssl);
  SSL_set_cert_cb(t->ssl, note_request, t);
  SSL_set_verify(t->ssl, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verifies ? judge : NULL);
  return expect_host(t);
}

/* By our own look, after every handshake: OpenSSL repeats none of it when a session is resumed. */
static void look_at_server(tls *t) {
  X509 *certificate = SSL_get_peer_certificate(t->ssl);
  long verdict = SSL_get_verify_result(t->ssl);
  if (has_psk(t)) {
    if (certificate) hf_tls_find(&t->finding, HF_TLS_HANDSHAKE, "the server does not use the shared key");
  } else {
    bool verifies = hf_tls_context_verifies(t->use.context);
    if (verifies && !certificate)
      hf_tls_find(&t->finding, HF_TLS_CERTIFICATE, "the server shows none");
    else if (verifies && verdict != X509_V_OK)
      hf_tls_find_verdict(&t->finding, (int)verdict, certificate);
    else if (verifies && !hf_tls_is_for(certificate, t->use.host))
      hf_tls_find_other_host(&t->finding, certificate, t->use.host);
    else if (!hf_tls_context_has_pinned(t->use.context, t->ssl))
      hf_tls_find_other_key(&t->finding, certificate);
  }
  X509_free(certificate);
}

static void establish(tls *t) {
  look_at_server(t);
  show_chain(t, SSL_get_peer_cert_chain(t->ssl), SSL_get_verify_result(t->ssl));
  if (t->inspector) hf_tls_inspect_session(t->inspector, t->use.host, t->ssl);
  if (t->finding.code) {
    end_with_finding(t);
    return;
  }
  hf_tls_use_trust(&t->use, t->ssl);
  t->state = HF_STREAM_OPEN;
  t->more = true; /* what came with the end of the handshake */
}

/* Whoever hangs up in a handshake does not like it, however it does that. */
static void explain(tls *t, int how) {
  unsigned long error = ERR_peek_error();
  show_chain(t, SSL_get_peer_cert_chain(t->ssl), X509_V_OK);
  if (!t->finding.code && how == SSL_ERROR_SSL && error) hf_tls_find_error(&t->finding, error, t->asked, has_psk(t));
  if (!t->finding.code && state_below(t) == HF_STREAM_ENDED) {
    end_as_below(t);
    bool reset = t->reason && t->reason->source == HF_SOURCE_NETWORK && t->reason->code == HF_NETWORK_RESET;
    if (t->reason && !reset) return;
    hf_tls_find(&t->finding, HF_TLS_HANDSHAKE,
                reset ? "the server reset the connection during the TLS handshake"
                      : "the server closed the connection during the TLS handshake");
  }
  if (!t->finding.code) hf_tls_find(&t->finding, HF_TLS_FAILED, "");
  end_with_finding(t);
}

/* One step of it; what it says to the owner, it says last. */
static void shake_hands(tls *t) {
  int64_t began = hf_clock_us();
  int result = -1, how = SSL_ERROR_NONE;
  ERR_clear_error();
  if (t->ssl || begin(t)) {
    result = SSL_connect(t->ssl);
    how = result == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, result);
  }
  if (result == 1)
    establish(t);
  else if (how == SSL_ERROR_NONE || t->pipe.starved)
    starve(t);
  else if (how != SSL_ERROR_WANT_READ)
    explain(t, how);
  t->loop->spent += hf_clock_us() - began;
  t->pipe.lower->operations->attend(t->pipe.lower, t->attends || t->state == HF_STREAM_OPENING);
  if (t->state != HF_STREAM_OPENING) tell(t);
}

/* ---- leaving ---- */

static void left(void *owner) {
  tls *t = owner;
  void (*done)(void *) = t->done;
  void *whose = t->stream.watcher.owner;
  destroy(t);
  if (done) done(whose);
}

static void leave_below(tls *t) {
  int64_t patience = t->leave_by - t->loop->now;
  hf_loop_stop(t->loop, &t->timer);
  t->pipe.lower->operations->finish(t->pipe.lower, patience > 0 ? (uint32_t)patience : 0, left);
}

static void run_out_of_patience(hf_timer *timer, int64_t now) {
  (void)now;
  leave_below((tls *)((char *)timer - offsetof(tls, timer)));
}

static void finish(hf_stream *stream, uint32_t patience, void (*done)(void *owner)) {
  tls *t = of(stream);
  t->leaving = true;
  t->done = done;
  t->leave_by = t->loop->now + patience;
  hf_loop_cancel(t->loop, &t->task);
  ERR_clear_error();
  if (t->state == HF_STREAM_OPEN) SSL_shutdown(t->ssl);
  ERR_clear_error();
  free_ssl(t);
  if (t->state != HF_STREAM_OPEN) hf_tls_pipe_free(&t->pipe);
  hf_tls_pipe_flush(&t->pipe);
  if (hf_tls_pipe_is_clear(&t->pipe))
    leave_below(t);
  else
    hf_loop_set(t->loop, &t->timer, t->leave_by);
}

static void abort_now(hf_stream *stream) {
  tls *t = of(stream);
  t->pipe.lower->operations->abort(t->pipe.lower);
  destroy(t);
}

/* ---- what the stream below, and the loop, call ---- */

static void changed_below(void *owner) {
  tls *t = owner;
  if (t->leaving) {
    hf_tls_pipe_flush(&t->pipe);
    if (hf_tls_pipe_is_clear(&t->pipe)) leave_below(t);
    return;
  }
  if (t->state == HF_STREAM_OPENING) {
    hf_tls_pipe_flush(&t->pipe);
    if (!t->reached && state_below(t) == HF_STREAM_ENDED) {
      end_as_below(t);
      tell(t);
      return;
    }
    t->reached = true;
    t->pipe.lower->operations->attend(t->pipe.lower, false); /* it has been heard, and its turn will come */
    hf_loop_later(t->loop, &t->task);
    return;
  }
  if (t->state == HF_STREAM_ENDED) return;
  hf_tls_pipe_flush(&t->pipe);
  bool room = t->refused && hf_tls_pipe_is_clear(&t->pipe);
  if (room) t->refused = false;
  if (room || t->attends || state_below(t) == HF_STREAM_ENDED) tell(t);
}

static void run(hf_task *task) {
  tls *t = (tls *)((char *)task - offsetof(tls, task));
  if (t->state != HF_STREAM_OPENING)
    tell(t);
  else if (t->loop->spent >= HF_TLS_TURN)
    hf_loop_later(t->loop, task);
  else
    shake_hands(t);
}

/* ---- what the owner calls ---- */

static hf_stream_state state(const hf_stream *stream) {
  const tls *t = of(stream);
  bool lost = t->state == HF_STREAM_OPEN && !t->attends && state_below(t) == HF_STREAM_ENDED;
  return lost ? HF_STREAM_ENDED : t->state;
}

static hf_phase phase(const hf_stream *stream) {
  const tls *t = of(stream);
  return t->reached ? HF_PHASE_TLS : t->pipe.lower->operations->phase(t->pipe.lower);
}

static void end(const hf_stream *stream, hf_stream_end *how) {
  const tls *t = of(stream);
  *how = (hf_stream_end){.reason = t->reason, .code = t->code, .retry_after = t->retry_after};
  if (t->state == HF_STREAM_ENDED)
    snprintf(how->text, sizeof how->text, "%.*s", (int)sizeof how->text - 1, t->finding.text);
  else
    t->pipe.lower->operations->end(t->pipe.lower, how);
}

/* A certificate of ours that a TLS 1.3 server does not like is told of after the handshake, for us. */
static void fail_open(tls *t, int how) {
  unsigned long error = ERR_peek_error();
  if (how == SSL_ERROR_SSL && error) {
    hf_tls_find_error(&t->finding, error, t->asked, has_psk(t));
    if (t->finding.code == HF_TLS_CLIENT_CERTIFICATE) {
      end_with_finding(t);
    } else {
      char text[sizeof t->finding.text];
      snprintf(text, sizeof text, "TLS: %.200s", t->finding.text);
      end_with(t, hf_reason_find(HF_SOURCE_NETWORK, HF_NETWORK_CONNECTION_LOST), text);
    }
  } else if (state_below(t) == HF_STREAM_ENDED) {
    end_as_below(t);
  } else {
    end_with(t, NULL, "");
  }
}

static ptrdiff_t read_some(hf_stream *stream, void *buffer, size_t room) {
  tls *t = of(stream);
  if (t->state == HF_STREAM_ENDED) return -1;
  if (t->state == HF_STREAM_OPENING) return 0;
  size_t done = 0;
  t->more = true;
  while (done < room) {
    size_t most = room - done < INT32_MAX ? room - done : INT32_MAX;
    ERR_clear_error();
    int got = SSL_read(t->ssl, (char *)buffer + done, (int)most);
    int how = got > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, got);
    if (how == SSL_ERROR_WANT_READ) {
      t->more = false;
      break;
    }
    if (how != SSL_ERROR_NONE) { /* OpenSSL says why only once */
      fail_open(t, how);
      if (done == 0) return -1;
      hf_loop_later(t->loop, &t->task);
      break;
    }
    done += (size_t)got;
  }
  return (ptrdiff_t)done;
}

static bool pending(const hf_stream *stream) {
  const tls *t = of(stream);
  const hf_stream *lower = t->pipe.lower;
  return t->state == HF_STREAM_OPEN && t->more && (SSL_has_pending(t->ssl) || lower->operations->pending(lower));
}

static size_t write_some(hf_stream *stream, const void *bytes, size_t length) {
  tls *t = of(stream);
  size_t done = 0;
  if (t->state != HF_STREAM_OPEN) return 0;
  while (done < length && hf_tls_pipe_is_clear(&t->pipe) && state_below(t) == HF_STREAM_OPEN) {
    int most = length - done < RECORD ? (int)(length - done) : RECORD;
    ERR_clear_error();
    int taken = SSL_write(t->ssl, (const char *)bytes + done, most);
    int how = taken > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, taken);
    if (t->pipe.starved) {
      starve(t);
      hf_loop_later(t->loop, &t->task);
      return done;
    }
    if (how == SSL_ERROR_WANT_READ) break;
    if (how != SSL_ERROR_NONE) {
      fail_open(t, how);
      hf_loop_later(t->loop, &t->task);
      return done;
    }
    done += (size_t)taken;
  }
  if (done < length) t->refused = true;
  return done;
}

static void attend(hf_stream *stream, bool readable) {
  tls *t = of(stream);
  t->attends = readable;
  if (t->state == HF_STREAM_OPEN) t->pipe.lower->operations->attend(t->pipe.lower, readable);
}

static void progress(hf_stream *stream, hf_stream_progress *how) {
  hf_stream *lower = of(stream)->pipe.lower;
  lower->operations->progress(lower, how);
  how->holds = how->holds || !hf_tls_pipe_is_clear(&of(stream)->pipe);
}

/* RFC 9266 section 3: of TLS 1.2 only with the extended master secret, without which two connections may have the same
 * (RFC 7627). Nothing is renegotiated here. */
static bool bind_to(const hf_stream *stream, unsigned char *binding) {
  static const char label[] = "EXPORTER-Channel-Binding";
  const tls *t = of(stream);
  if (t->state != HF_STREAM_OPEN || !t->ssl) return false;
  if (SSL_version(t->ssl) < TLS1_3_VERSION && SSL_get_extms_support(t->ssl) != 1) return false;
  int fine = SSL_export_keying_material(t->ssl, binding, HF_STREAM_BINDING, label, sizeof label - 1,
                                        (const unsigned char *)"", 0, 1);
  ERR_clear_error();
  return fine == 1;
}

static void find_path(const hf_stream *stream, hf_stream_path *path) {
  const tls *t = of(stream);
  hf_stream_find_path(t->pipe.lower, path);
  path->tls = true;
  path->resumed = t->ssl && SSL_session_reused(t->ssl);
}

static const hf_stream_operations operations = {.state = state,
                                                .phase = phase,
                                                .end = end,
                                                .read = read_some,
                                                .pending = pending,
                                                .write = write_some,
                                                .attend = attend,
                                                .progress = progress,
                                                .finish = finish,
                                                .abort = abort_now,
                                                .bind = bind_to,
                                                .path = find_path};

hf_stream *hf_tls_stream_open(hf_loop *loop, const hf_stream_target *target, hf_stream_watcher watcher,
                              hf_stream_open_function *lower) {
  tls *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  *t = (tls){.stream = {.operations = &operations, .watcher = watcher},
             .loop = loop,
             .task = {.run = run},
             .timer = {.fire = run_out_of_patience},
             .inspector = target->inspector,
             .attends = true};
  bool fine = hf_tls_use_init(&t->use, target->tls, target->host, target->port, &t->finding);
  if (fine) t->pipe.lower = lower(loop, target, (hf_stream_watcher){changed_below, t});
  if (t->pipe.lower) return &t->stream;
  destroy(t);
  return NULL;
}
