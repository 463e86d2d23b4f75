#include "sys/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/wakeup.h"

static const int endings[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDINGS = sizeof endings / sizeof endings[0] };

static hf_wakeup alarm_bell = {-1};
static volatile sig_atomic_t caught;
static bool is_gone; /* whoever reads the standard output: told once by poll, or it would not wait any more */

static void by_default(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigaction(number, &action, NULL);
}

static void remember(int number) {
  int before = errno;
  if (!caught) caught = number;
  for (int i = 0; i < ENDINGS; i++)
    by_default(endings[i]);
  hf_wakeup_signal(&alarm_bell);
  errno = before;
}

bool hf_console_complete(void) {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
    if (fcntl(stream, F_GETFD) >= 0) continue;
    if (open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) != stream) return false;
  }
  return true;
}

bool hf_console_catch(void) {
  if (alarm_bell.descriptor < 0 && !hf_wakeup_init(&alarm_bell)) return false;
  struct sigaction action, before;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  action.sa_handler = remember;
  for (int i = 0; i < ENDINGS; i++) {
    if (sigaction(endings[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(endings[i], &action, NULL);
  }
  action.sa_handler = SIG_IGN;
  return sigaction(SIGPIPE, &action, NULL) == 0;
}

bool hf_console_let(void) {
  struct sigaction action;
  if (sigaction(SIGINT, NULL, &action) != 0) return false;
  if (action.sa_handler != SIG_IGN) by_default(SIGINT);
  return true;
}

int hf_console_caught(void) {
  return caught;
}

hf_console_news hf_console_wait(int descriptor, bool wants_input, int milliseconds) {
  struct pollfd all[] = {{alarm_bell.descriptor, POLLIN, 0},
                         {descriptor, POLLIN, 0},
                         {wants_input ? STDIN_FILENO : -1, POLLIN, 0},
                         {is_gone ? -1 : STDOUT_FILENO, 0, 0}};
  hf_console_news news = {false, false, is_gone};
  if (poll(all, sizeof all / sizeof all[0], caught ? 0 : milliseconds) <= 0) return news;
  news.input = all[2].revents != 0;
  news.hung_up = (all[2].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
  if ((all[3].revents & (POLLHUP | POLLERR)) != 0) is_gone = true;
  news.gone = is_gone;
  return news;
}

bool hf_console_size(unsigned *columns, unsigned *rows) {
  struct winsize size;
  if (!isatty(STDOUT_FILENO)) return false;
  bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
  *columns = known ? size.ws_col : 80;
  *rows = known ? size.ws_row : 24;
  return true;
}
