#define _DEFAULT_SOURCE
#include "link/link.h"

#include <stdlib.h>
#include <string.h>

void hf_link_mail_free(hf_mail *mail) {
  switch ((enum hf_link_mail)mail->kind) {
  case HF_LINK_CONNECTED:
    free(((hf_link_connected *)mail)->assigned_client_id);
    free(((hf_link_connected *)mail)->response_information);
    free(((hf_link_connected *)mail)->properties);
    break;
  case HF_LINK_FAILED:
  case HF_LINK_DOWN:
  case HF_LINK_CLOSED:
    free(((hf_link_down *)mail)->text);
    free(((hf_link_down *)mail)->server_reference);
    break;
  case HF_LINK_MESSAGE:
    hf_message_free((hf_message *)mail);
    return;
  case HF_LINK_DELIVERED:
    hf_publish_free((hf_publish *)mail);
    return;
  case HF_LINK_SUBSCRIBED:
  case HF_LINK_UNSUBSCRIBED:
    free(((hf_link_answer *)mail)->text);
    break;
  case HF_LINK_AUTH:
    explicit_bzero(((hf_link_auth *)mail)->data, ((hf_link_auth *)mail)->length);
    break;
  case HF_LINK_RENEW:
  case HF_LINK_STEP:
    break;
  }
  free(mail);
}
