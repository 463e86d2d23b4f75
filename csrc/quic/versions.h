/* versions.h: ngtcp2 0.12 and 1.x by the names of the former.
 *
 * Debian 12 has 0.12.1, Debian 13 has 1.11; of what changed between them names are used here, an argument of a
 * callback, and how the limits of early data are given. Included in place of ngtcp2's own header. Owns nothing; any
 * thread.
 */
#ifndef HF_QUIC_VERSIONS_H
#define HF_QUIC_VERSIONS_H

#include <ngtcp2/ngtcp2.h>

#if NGTCP2_VERSION_NUM >= 0x010000
typedef ngtcp2_ccerr ngtcp2_connection_close_error;
typedef ngtcp2_conn_info ngtcp2_conn_stat;

#define NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_TRANSPORT NGTCP2_CCERR_TYPE_TRANSPORT
#define NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION NGTCP2_CCERR_TYPE_APPLICATION
#define ngtcp2_connection_close_error_default ngtcp2_ccerr_default
#define ngtcp2_connection_close_error_set_transport_error_liberr ngtcp2_ccerr_set_liberr
#define ngtcp2_connection_close_error_set_transport_error_tls_alert ngtcp2_ccerr_set_tls_alert
#define ngtcp2_connection_close_error_set_application_error ngtcp2_ccerr_set_application_error
#define ngtcp2_conn_get_connection_close_error(conn, why) ((void)(*(why) = *ngtcp2_conn_get_ccerr(conn)))
#define ngtcp2_conn_get_conn_stat ngtcp2_conn_get_conn_info
#define ngtcp2_conn_early_data_rejected ngtcp2_conn_tls_early_data_rejected
#define NGTCP2_STREAM_DATA_FLAG_EARLY NGTCP2_STREAM_DATA_FLAG_0RTT

/* What a server's transport parameters were when it gave the ticket; where they do not fit nothing goes early. */
static inline void ngtcp2_conn_set_early_remote_transport_params(ngtcp2_conn *conn,
                                                                 const ngtcp2_transport_params *params) {
  uint8_t bytes[256];
  ngtcp2_ssize length = ngtcp2_transport_params_encode(bytes, sizeof bytes, params);
  if (length > 0) ngtcp2_conn_decode_and_set_0rtt_transport_params(conn, bytes, (size_t)length);
}

#define HF_QUIC_FORMER_PATH const ngtcp2_path *former __attribute__((unused)),
#else
#define HF_QUIC_FORMER_PATH /* of the callback path_validation, which is not told it */
#endif

#endif
