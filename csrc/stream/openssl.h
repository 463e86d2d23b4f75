/* openssl.h: what we call of OpenSSL, which is loaded for the first client that could need it (sys/library.h).
 *
 * The functions have their own names, and may be called once hf_tls_load or
 * hf_openssl_load has said true. Any thread.
 */
#ifndef HF_STREAM_OPENSSL_H
#define HF_STREAM_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

// clang-format off
#define HF_OPENSSL_CALLS(call) \
  call(ASN1_INTEGER_get) call(ASN1_TIME_diff) call(BIO_clear_flags) call(BIO_free) call(BIO_get_data) \
  call(BIO_get_new_index) call(BIO_meth_new) call(BIO_meth_set_ctrl) call(BIO_meth_set_read) \
  call(BIO_meth_set_write) call(BIO_new) call(BIO_new_file) call(BIO_new_mem_buf) call(BIO_set_data) \
  call(BIO_set_flags) call(BIO_set_init) call(CRYPTO_free) call(ERR_clear_error) call(ERR_error_string_n) \
  call(ERR_peek_error) call(ERR_peek_last_error) call(ERR_reason_error_string) call(EVP_Digest) \
  call(EVP_DigestFinal_ex) call(EVP_DigestInit_ex) call(EVP_DigestUpdate) call(EVP_EncodeBlock) \
  call(EVP_MD_CTX_free) call(EVP_MD_CTX_new) call(EVP_PKEY_free) call(EVP_get_digestbyname) call(EVP_sha1) \
  call(EVP_sha256) call(OBJ_nid2sn) call(OBJ_obj2nid) call(OCSP_BASICRESP_free) call(OCSP_CERTID_free) \
  call(OCSP_RESPONSE_free) call(OCSP_SINGLERESP_get0_id) call(OCSP_basic_verify) call(OCSP_cert_to_id) \
  call(OCSP_check_validity) call(OCSP_crl_reason_str) call(OCSP_id_cmp) call(OCSP_id_get0_info) \
  call(OCSP_resp_count) call(OCSP_resp_get0) call(OCSP_response_get1_basic) call(OCSP_response_status) \
  call(OCSP_single_get0_status) call(OPENSSL_cleanse) call(OPENSSL_init_crypto) call(OPENSSL_init_ssl) \
  call(OPENSSL_sk_num) call(OPENSSL_sk_pop_free) call(OPENSSL_sk_value) call(PEM_X509_INFO_read_bio) \
  call(PEM_read_bio_PrivateKey) call(PEM_read_bio_X509) call(PEM_read_bio_X509_AUX) call(SSL_CTX_callback_ctrl) \
  call(SSL_CTX_check_private_key) call(SSL_CTX_ctrl) call(SSL_CTX_free) call(SSL_CTX_get0_param) \
  call(SSL_CTX_get_cert_store) call(SSL_CTX_get_ex_data) call(SSL_CTX_load_verify_locations) call(SSL_CTX_new) \
  call(SSL_CTX_sess_set_new_cb) call(SSL_CTX_set1_cert_store) call(SSL_CTX_set_alpn_protos) \
  call(SSL_CTX_set_cipher_list) call(SSL_CTX_set_client_cert_cb) call(SSL_CTX_set_default_verify_paths) \
  call(SSL_CTX_set_ex_data) call(SSL_CTX_set_options) call(SSL_CTX_set_psk_client_callback) \
  call(SSL_CTX_set_security_level) call(SSL_CTX_set_verify) call(SSL_CTX_use_PrivateKey) \
  call(SSL_CTX_use_certificate) call(SSL_SESSION_dup) call(SSL_SESSION_free) call(SSL_SESSION_get0_peer) \
  call(SSL_SESSION_get_protocol_version) call(SSL_SESSION_get_ticket_lifetime_hint) call(SSL_SESSION_get_timeout) \
  call(SSL_SESSION_is_resumable) call(SSL_SESSION_up_ref) call(SSL_connect) call(SSL_ctrl) call(SSL_export_keying_material) call(SSL_free) \
  call(SSL_get0_param) call(SSL_get0_verified_chain) call(SSL_get1_peer_certificate) call(SSL_get_SSL_CTX) \
  call(SSL_get_certificate) call(SSL_get_error) call(SSL_get_ex_data) call(SSL_get_ex_data_X509_STORE_CTX_idx) \
  call(SSL_get_session) call(SSL_get_verify_result) call(SSL_has_pending) call(SSL_new) call(SSL_read) \
  call(SSL_session_reused) call(SSL_set_alpn_protos) call(SSL_set_bio) call(SSL_set_cert_cb) \
  call(SSL_set_connect_state) call(SSL_set_ex_data) call(SSL_set_fd) call(SSL_set_session) call(SSL_set_shutdown) \
  call(SSL_set_verify) call(SSL_shutdown) call(SSL_version) call(SSL_write) call(TLS_FEATURE_free) call(TLS_client_method) \
  call(X509_CRL_get0_nextUpdate) call(X509_INFO_free) call(X509_NAME_oneline) call(X509_STORE_CTX_get_current_cert) \
  call(X509_STORE_CTX_get_error) call(X509_STORE_CTX_get_ex_data) call(X509_STORE_add_cert) call(X509_STORE_add_crl) \
  call(X509_STORE_free) call(X509_STORE_new) call(X509_VERIFY_PARAM_set1_host) call(X509_VERIFY_PARAM_set1_ip_asc) \
  call(X509_VERIFY_PARAM_set_flags) call(X509_check_host) call(X509_check_ip_asc) call(X509_dup) call(X509_free) \
  call(X509_get0_notAfter) call(X509_get0_pubkey) call(X509_get_X509_PUBKEY) call(X509_get_default_cert_dir) \
  call(X509_get_default_cert_dir_env) call(X509_get_default_cert_file) call(X509_get_default_cert_file_env) \
  call(X509_get_ext_d2i) call(X509_get_subject_name) call(X509_verify_cert_error_string) call(d2i_OCSP_RESPONSE) \
  call(i2d_X509_PUBKEY) \
  call(OPENSSL_sk_new_null) call(OPENSSL_sk_push) call(X509_STORE_CTX_free) call(X509_STORE_CTX_get0_chain) \
  call(X509_STORE_CTX_get0_param) call(X509_STORE_CTX_init) call(X509_STORE_CTX_new) \
  call(X509_STORE_CTX_set_default) call(X509_VERIFY_PARAM_set1) call(X509_VERIFY_PARAM_set_auth_level) \
  call(X509_verify_cert) call(d2i_X509) /* of QUIC */ \
  call(ASN1_STRING_get0_data) call(ASN1_STRING_length) call(ASN1_TIME_to_tm) call(GENERAL_NAMES_free) \
  call(GENERAL_NAME_get0_value) call(SSL_CIPHER_get_name) call(SSL_get0_alpn_selected) call(SSL_get_current_cipher) \
  call(SSL_get_peer_cert_chain) call(SSL_get_version) call(X509_STORE_CTX_get0_untrusted) call(X509_get0_notBefore) \
  call(X509_get_issuer_name) call(i2d_X509) /* of an inspection */ \
  call(EVP_DecodeBlock) call(EVP_sha512) call(HMAC) call(PKCS5_PBKDF2_HMAC) /* of SCRAM */
// clang-format on

typedef struct hf_openssl {
#define MEMBER(name) __typeof__(name) *name;
  HF_OPENSSL_CALLS(MEMBER)
#undef MEMBER
} hf_openssl;

extern hf_openssl hf_openssl_calls;

/* As hf_tls_load, but OpenSSL's algorithms, configuration and words are got ready by whoever first makes TLS: for what
 * is linked with OpenSSL and may never use it. */
bool hf_openssl_load(char *problem);

#define ASN1_INTEGER_get hf_openssl_calls.ASN1_INTEGER_get
#define ASN1_STRING_get0_data hf_openssl_calls.ASN1_STRING_get0_data
#define ASN1_STRING_length hf_openssl_calls.ASN1_STRING_length
#define ASN1_TIME_diff hf_openssl_calls.ASN1_TIME_diff
#define ASN1_TIME_to_tm hf_openssl_calls.ASN1_TIME_to_tm
#define BIO_clear_flags hf_openssl_calls.BIO_clear_flags
#define BIO_free hf_openssl_calls.BIO_free
#define BIO_get_data hf_openssl_calls.BIO_get_data
#define BIO_get_new_index hf_openssl_calls.BIO_get_new_index
#define BIO_meth_new hf_openssl_calls.BIO_meth_new
#define BIO_meth_set_ctrl hf_openssl_calls.BIO_meth_set_ctrl
#define BIO_meth_set_read hf_openssl_calls.BIO_meth_set_read
#define BIO_meth_set_write hf_openssl_calls.BIO_meth_set_write
#define BIO_new hf_openssl_calls.BIO_new
#define BIO_new_file hf_openssl_calls.BIO_new_file
#define BIO_new_mem_buf hf_openssl_calls.BIO_new_mem_buf
#define BIO_set_data hf_openssl_calls.BIO_set_data
#define BIO_set_flags hf_openssl_calls.BIO_set_flags
#define BIO_set_init hf_openssl_calls.BIO_set_init
#define CRYPTO_free hf_openssl_calls.CRYPTO_free
#define ERR_clear_error hf_openssl_calls.ERR_clear_error
#define ERR_error_string_n hf_openssl_calls.ERR_error_string_n
#define ERR_peek_error hf_openssl_calls.ERR_peek_error
#define ERR_peek_last_error hf_openssl_calls.ERR_peek_last_error
#define ERR_reason_error_string hf_openssl_calls.ERR_reason_error_string
#define EVP_DecodeBlock hf_openssl_calls.EVP_DecodeBlock
#define EVP_Digest hf_openssl_calls.EVP_Digest
#define EVP_DigestFinal_ex hf_openssl_calls.EVP_DigestFinal_ex
#define EVP_DigestInit_ex hf_openssl_calls.EVP_DigestInit_ex
#define EVP_DigestUpdate hf_openssl_calls.EVP_DigestUpdate
#define EVP_EncodeBlock hf_openssl_calls.EVP_EncodeBlock
#define EVP_MD_CTX_free hf_openssl_calls.EVP_MD_CTX_free
#define EVP_MD_CTX_new hf_openssl_calls.EVP_MD_CTX_new
#define EVP_PKEY_free hf_openssl_calls.EVP_PKEY_free
#define EVP_get_digestbyname hf_openssl_calls.EVP_get_digestbyname
#define EVP_sha1 hf_openssl_calls.EVP_sha1
#define EVP_sha256 hf_openssl_calls.EVP_sha256
#define EVP_sha512 hf_openssl_calls.EVP_sha512
#define GENERAL_NAMES_free hf_openssl_calls.GENERAL_NAMES_free
#define GENERAL_NAME_get0_value hf_openssl_calls.GENERAL_NAME_get0_value
#define HMAC hf_openssl_calls.HMAC
#define OBJ_nid2sn hf_openssl_calls.OBJ_nid2sn
#define OBJ_obj2nid hf_openssl_calls.OBJ_obj2nid
#define OCSP_BASICRESP_free hf_openssl_calls.OCSP_BASICRESP_free
#define OCSP_CERTID_free hf_openssl_calls.OCSP_CERTID_free
#define OCSP_RESPONSE_free hf_openssl_calls.OCSP_RESPONSE_free
#define OCSP_SINGLERESP_get0_id hf_openssl_calls.OCSP_SINGLERESP_get0_id
#define OCSP_basic_verify hf_openssl_calls.OCSP_basic_verify
#define OCSP_cert_to_id hf_openssl_calls.OCSP_cert_to_id
#define OCSP_check_validity hf_openssl_calls.OCSP_check_validity
#define OCSP_crl_reason_str hf_openssl_calls.OCSP_crl_reason_str
#define OCSP_id_cmp hf_openssl_calls.OCSP_id_cmp
#define OCSP_id_get0_info hf_openssl_calls.OCSP_id_get0_info
#define OCSP_resp_count hf_openssl_calls.OCSP_resp_count
#define OCSP_resp_get0 hf_openssl_calls.OCSP_resp_get0
#define OCSP_response_get1_basic hf_openssl_calls.OCSP_response_get1_basic
#define OCSP_response_status hf_openssl_calls.OCSP_response_status
#define OCSP_single_get0_status hf_openssl_calls.OCSP_single_get0_status
#define OPENSSL_cleanse hf_openssl_calls.OPENSSL_cleanse
#define OPENSSL_init_crypto hf_openssl_calls.OPENSSL_init_crypto
#define OPENSSL_init_ssl hf_openssl_calls.OPENSSL_init_ssl
#define OPENSSL_sk_new_null hf_openssl_calls.OPENSSL_sk_new_null
#define OPENSSL_sk_num hf_openssl_calls.OPENSSL_sk_num
#define OPENSSL_sk_pop_free hf_openssl_calls.OPENSSL_sk_pop_free
#define OPENSSL_sk_push hf_openssl_calls.OPENSSL_sk_push
#define OPENSSL_sk_value hf_openssl_calls.OPENSSL_sk_value
#define PEM_X509_INFO_read_bio hf_openssl_calls.PEM_X509_INFO_read_bio
#define PEM_read_bio_PrivateKey hf_openssl_calls.PEM_read_bio_PrivateKey
#define PEM_read_bio_X509 hf_openssl_calls.PEM_read_bio_X509
#define PEM_read_bio_X509_AUX hf_openssl_calls.PEM_read_bio_X509_AUX
#define PKCS5_PBKDF2_HMAC hf_openssl_calls.PKCS5_PBKDF2_HMAC
#define SSL_CIPHER_get_name hf_openssl_calls.SSL_CIPHER_get_name
#define SSL_CTX_callback_ctrl hf_openssl_calls.SSL_CTX_callback_ctrl
#define SSL_CTX_check_private_key hf_openssl_calls.SSL_CTX_check_private_key
#define SSL_CTX_ctrl hf_openssl_calls.SSL_CTX_ctrl
#define SSL_CTX_free hf_openssl_calls.SSL_CTX_free
#define SSL_CTX_get0_param hf_openssl_calls.SSL_CTX_get0_param
#define SSL_CTX_get_cert_store hf_openssl_calls.SSL_CTX_get_cert_store
#define SSL_CTX_get_ex_data hf_openssl_calls.SSL_CTX_get_ex_data
#define SSL_CTX_load_verify_locations hf_openssl_calls.SSL_CTX_load_verify_locations
#define SSL_CTX_new hf_openssl_calls.SSL_CTX_new
#define SSL_CTX_sess_set_new_cb hf_openssl_calls.SSL_CTX_sess_set_new_cb
#define SSL_CTX_set1_cert_store hf_openssl_calls.SSL_CTX_set1_cert_store
#define SSL_CTX_set_alpn_protos hf_openssl_calls.SSL_CTX_set_alpn_protos
#define SSL_CTX_set_cipher_list hf_openssl_calls.SSL_CTX_set_cipher_list
#define SSL_CTX_set_client_cert_cb hf_openssl_calls.SSL_CTX_set_client_cert_cb
#define SSL_CTX_set_default_verify_paths hf_openssl_calls.SSL_CTX_set_default_verify_paths
#define SSL_CTX_set_ex_data hf_openssl_calls.SSL_CTX_set_ex_data
#define SSL_CTX_set_options hf_openssl_calls.SSL_CTX_set_options
#define SSL_CTX_set_psk_client_callback hf_openssl_calls.SSL_CTX_set_psk_client_callback
#define SSL_CTX_set_security_level hf_openssl_calls.SSL_CTX_set_security_level
#define SSL_CTX_set_verify hf_openssl_calls.SSL_CTX_set_verify
#define SSL_CTX_use_PrivateKey hf_openssl_calls.SSL_CTX_use_PrivateKey
#define SSL_CTX_use_certificate hf_openssl_calls.SSL_CTX_use_certificate
#define SSL_SESSION_dup hf_openssl_calls.SSL_SESSION_dup
#define SSL_SESSION_free hf_openssl_calls.SSL_SESSION_free
#define SSL_SESSION_get0_peer hf_openssl_calls.SSL_SESSION_get0_peer
#define SSL_SESSION_get_protocol_version hf_openssl_calls.SSL_SESSION_get_protocol_version
#define SSL_SESSION_get_ticket_lifetime_hint hf_openssl_calls.SSL_SESSION_get_ticket_lifetime_hint
#define SSL_SESSION_get_timeout hf_openssl_calls.SSL_SESSION_get_timeout
#define SSL_SESSION_is_resumable hf_openssl_calls.SSL_SESSION_is_resumable
#define SSL_SESSION_up_ref hf_openssl_calls.SSL_SESSION_up_ref
#define SSL_connect hf_openssl_calls.SSL_connect
#define SSL_ctrl hf_openssl_calls.SSL_ctrl
#define SSL_export_keying_material hf_openssl_calls.SSL_export_keying_material
#define SSL_free hf_openssl_calls.SSL_free
#define SSL_get0_alpn_selected hf_openssl_calls.SSL_get0_alpn_selected
#define SSL_get0_param hf_openssl_calls.SSL_get0_param
#define SSL_get0_verified_chain hf_openssl_calls.SSL_get0_verified_chain
#define SSL_get1_peer_certificate hf_openssl_calls.SSL_get1_peer_certificate
#define SSL_get_SSL_CTX hf_openssl_calls.SSL_get_SSL_CTX
#define SSL_get_certificate hf_openssl_calls.SSL_get_certificate
#define SSL_get_current_cipher hf_openssl_calls.SSL_get_current_cipher
#define SSL_get_error hf_openssl_calls.SSL_get_error
#define SSL_get_ex_data hf_openssl_calls.SSL_get_ex_data
#define SSL_get_ex_data_X509_STORE_CTX_idx hf_openssl_calls.SSL_get_ex_data_X509_STORE_CTX_idx
#define SSL_get_peer_cert_chain hf_openssl_calls.SSL_get_peer_cert_chain
#define SSL_get_session hf_openssl_calls.SSL_get_session
#define SSL_get_verify_result hf_openssl_calls.SSL_get_verify_result
#define SSL_get_version hf_openssl_calls.SSL_get_version
#define SSL_has_pending hf_openssl_calls.SSL_has_pending
#define SSL_new hf_openssl_calls.SSL_new
#define SSL_read hf_openssl_calls.SSL_read
#define SSL_session_reused hf_openssl_calls.SSL_session_reused
#define SSL_set_alpn_protos hf_openssl_calls.SSL_set_alpn_protos
#define SSL_set_bio hf_openssl_calls.SSL_set_bio
#define SSL_set_cert_cb hf_openssl_calls.SSL_set_cert_cb
#define SSL_set_connect_state hf_openssl_calls.SSL_set_connect_state
#define SSL_set_ex_data hf_openssl_calls.SSL_set_ex_data
#define SSL_set_fd hf_openssl_calls.SSL_set_fd
#define SSL_set_session hf_openssl_calls.SSL_set_session
#define SSL_set_shutdown hf_openssl_calls.SSL_set_shutdown
#define SSL_set_verify hf_openssl_calls.SSL_set_verify
#define SSL_shutdown hf_openssl_calls.SSL_shutdown
#define SSL_version hf_openssl_calls.SSL_version
#define SSL_write hf_openssl_calls.SSL_write
#define TLS_FEATURE_free hf_openssl_calls.TLS_FEATURE_free
#define TLS_client_method hf_openssl_calls.TLS_client_method
#define X509_CRL_get0_nextUpdate hf_openssl_calls.X509_CRL_get0_nextUpdate
#define X509_INFO_free hf_openssl_calls.X509_INFO_free
#define X509_NAME_oneline hf_openssl_calls.X509_NAME_oneline
#define X509_STORE_CTX_free hf_openssl_calls.X509_STORE_CTX_free
#define X509_STORE_CTX_get0_chain hf_openssl_calls.X509_STORE_CTX_get0_chain
#define X509_STORE_CTX_get0_param hf_openssl_calls.X509_STORE_CTX_get0_param
#define X509_STORE_CTX_get0_untrusted hf_openssl_calls.X509_STORE_CTX_get0_untrusted
#define X509_STORE_CTX_get_current_cert hf_openssl_calls.X509_STORE_CTX_get_current_cert
#define X509_STORE_CTX_get_error hf_openssl_calls.X509_STORE_CTX_get_error
#define X509_STORE_CTX_get_ex_data hf_openssl_calls.X509_STORE_CTX_get_ex_data
#define X509_STORE_CTX_init hf_openssl_calls.X509_STORE_CTX_init
#define X509_STORE_CTX_new hf_openssl_calls.X509_STORE_CTX_new
#define X509_STORE_CTX_set_default hf_openssl_calls.X509_STORE_CTX_set_default
#define X509_STORE_add_cert hf_openssl_calls.X509_STORE_add_cert
#define X509_STORE_add_crl hf_openssl_calls.X509_STORE_add_crl
#define X509_STORE_free hf_openssl_calls.X509_STORE_free
#define X509_STORE_new hf_openssl_calls.X509_STORE_new
#define X509_VERIFY_PARAM_set1 hf_openssl_calls.X509_VERIFY_PARAM_set1
#define X509_VERIFY_PARAM_set1_host hf_openssl_calls.X509_VERIFY_PARAM_set1_host
#define X509_VERIFY_PARAM_set1_ip_asc hf_openssl_calls.X509_VERIFY_PARAM_set1_ip_asc
#define X509_VERIFY_PARAM_set_auth_level hf_openssl_calls.X509_VERIFY_PARAM_set_auth_level
#define X509_VERIFY_PARAM_set_flags hf_openssl_calls.X509_VERIFY_PARAM_set_flags
#define X509_check_host hf_openssl_calls.X509_check_host
#define X509_check_ip_asc hf_openssl_calls.X509_check_ip_asc
#define X509_dup hf_openssl_calls.X509_dup
#define X509_free hf_openssl_calls.X509_free
#define X509_get0_notAfter hf_openssl_calls.X509_get0_notAfter
#define X509_get0_notBefore hf_openssl_calls.X509_get0_notBefore
#define X509_get0_pubkey hf_openssl_calls.X509_get0_pubkey
#define X509_get_X509_PUBKEY hf_openssl_calls.X509_get_X509_PUBKEY
#define X509_get_default_cert_dir hf_openssl_calls.X509_get_default_cert_dir
#define X509_get_default_cert_dir_env hf_openssl_calls.X509_get_default_cert_dir_env
#define X509_get_default_cert_file hf_openssl_calls.X509_get_default_cert_file
#define X509_get_default_cert_file_env hf_openssl_calls.X509_get_default_cert_file_env
#define X509_get_ext_d2i hf_openssl_calls.X509_get_ext_d2i
#define X509_get_issuer_name hf_openssl_calls.X509_get_issuer_name
#define X509_get_subject_name hf_openssl_calls.X509_get_subject_name
#define X509_verify_cert hf_openssl_calls.X509_verify_cert
#define X509_verify_cert_error_string hf_openssl_calls.X509_verify_cert_error_string
#define d2i_OCSP_RESPONSE hf_openssl_calls.d2i_OCSP_RESPONSE
#define d2i_X509 hf_openssl_calls.d2i_X509
#define i2d_X509 hf_openssl_calls.i2d_X509
#define i2d_X509_PUBKEY hf_openssl_calls.i2d_X509_PUBKEY

#endif
