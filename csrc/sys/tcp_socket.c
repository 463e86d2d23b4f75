#define _GNU_SOURCE
#include "sys/tcp_socket.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* tcpi_bytes_acked, which the library's own header does not know */
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/private.h"

enum { UNSENT = 65536 /* bytes */, BACKSTOP = 60000 /* ms */ };

static void set(int descriptor, int option, int value) {
  setsockopt(descriptor, IPPROTO_TCP, option, &value, sizeof value);
}

void hf_socket_close(int descriptor) {
  hf_private_unmark(descriptor);
  close(descriptor);
}

int hf_socket_connect(const struct sockaddr *address, socklen_t length) {
  int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  hf_private_mark(descriptor);
  if (connect(descriptor, address, length) == 0 || errno == EINPROGRESS || errno == EINTR) return descriptor;
  int error = errno;
  hf_socket_close(descriptor);
  errno = error;
  return -1;
}

static bool has_met_itself(int descriptor) {
  struct sockaddr_storage here, there;
  socklen_t here_length = sizeof here, there_length = sizeof there;
  return getsockname(descriptor, (struct sockaddr *)&here, &here_length) == 0 &&
         getpeername(descriptor, (struct sockaddr *)&there, &there_length) == 0 && here_length == there_length &&
         memcmp(&here, &there, here_length) == 0;
}

int hf_socket_error(int descriptor) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error == 0 && has_met_itself(descriptor) ? ECONNREFUSED : error;
}

void hf_socket_tune(int descriptor) {
  set(descriptor, TCP_NODELAY, 1);
  set(descriptor, TCP_NOTSENT_LOWAT, UNSENT);
  set(descriptor, TCP_USER_TIMEOUT, BACKSTOP);
}

hf_network_code hf_socket_reason(int error) {
  switch (error) {
  case ECONNREFUSED:
    return HF_NETWORK_REFUSED;
  case ECONNRESET:
    return HF_NETWORK_RESET;
  case ETIMEDOUT:
    return HF_NETWORK_TIMED_OUT;
  case ENETUNREACH:
  case EHOSTUNREACH:
  case ENETDOWN:
  case EHOSTDOWN:
  case ENONET:
  case EADDRNOTAVAIL: /* no address of ours that fits */
  case EAFNOSUPPORT:
  case ENODEV: /* the zone of an address that is not there any more */
    return HF_NETWORK_UNREACHABLE;
  case ENOENT: /* of a unix socket */
  case ENOTDIR:
    return HF_NETWORK_SOCKET_NOT_FOUND;
  case EACCES:
    return HF_NETWORK_PERMISSION_DENIED;
  default:
    return HF_NETWORK_CONNECT_FAILED;
  }
}

bool hf_socket_look_at(int descriptor, hf_socket_look *look) {
  struct tcp_info info;
  socklen_t length = sizeof info;
  *look = (hf_socket_look){0};
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
      length < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
    return false;
  look->acknowledged = info.tcpi_bytes_acked > 0 ? info.tcpi_bytes_acked - 1 : 0; /* our SYN counts as one */
  look->quiet_for = info.tcpi_last_ack_recv;
  look->unacknowledged = info.tcpi_unacked > 0;
  look->probing = info.tcpi_probes > 0;
  return true;
}

bool hf_socket_path_of(int descriptor, hf_socket_path *path) {
  struct tcp_info info;
  socklen_t length = sizeof info;
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
      length < offsetof(struct tcp_info, tcpi_min_rtt) + sizeof info.tcpi_min_rtt)
    return false;
  *path = (hf_socket_path){.rtt = info.tcpi_rtt,
                           .rtt_least = info.tcpi_min_rtt,
                           .rtt_variance = info.tcpi_rttvar,
                           .sent = info.tcpi_segs_out,
                           .retransmitted = info.tcpi_total_retrans};
  return true;
}

bool hf_socket_is_idle(int descriptor) {
  int queued = 0;
  return ioctl(descriptor, SIOCOUTQ, &queued) == 0 && queued == 0;
}
