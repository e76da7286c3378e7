/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS for checks; see tls.h. */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "probe/probe.h"

/* What a server may send as its chain: a real one has some KiB. */
#define CHAIN_MAX   32768
#define CHAIN_DEPTH 8

struct gt_tls {
	SSL_CTX *context;
};

struct gt_tls_session {
	SSL *ssl;
	bool failed;	  /* nothing may be sent any more (SSL_shutdown(3)) */
	char wanted[256]; /* whom the certificate must be for */
	char reason[GT_PROBE_REASON_MAX];
};

/* ---- words ---- */

static void say(struct gt_tls_session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What a server sends stands in it, and it goes to terminals. */
static void say(struct gt_tls_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
	for (char *c = s->reason; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '.';
}

static const char *date_of(const ASN1_TIME *t, char buf[16])
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1 || strftime(buf, 16, "%Y-%m-%d", &tm) == 0)
		strcpy(buf, "a bad date");
	return buf;
}

/* Bytes of a name as text, cut to fit. */
static void put_text(const ASN1_STRING *from, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", ASN1_STRING_length(from),
		 (const char *)ASN1_STRING_get0_data(from));
}

static bool put_alternative(const GENERAL_NAME *name, char *buf, size_t size)
{
	int type;
	const void *value = GENERAL_NAME_get0_value(name, &type);
	int len;

	if (type == GEN_DNS) {
		put_text(value, buf, size);
		return true;
	}
	if (type != GEN_IPADD)
		return false;
	len = ASN1_STRING_length(value);
	return (len == 4 || len == 16) &&
	       inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), buf,
			 (socklen_t)size) != NULL;
}

/* Whom a certificate is for: its first alternative name, or its subject's common name. */
static const char *subject_of(const X509 *cert, char *buf, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = put_alternative(sk_GENERAL_NAME_value(names, i), buf, size);
	GENERAL_NAMES_free(names);
	if (!found && X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, buf,
						(int)size) <= 0)
		snprintf(buf, size, "nobody");
	return buf;
}

/* ---- what is verified ---- */

static void explain(struct gt_tls_session *s, X509_STORE_CTX *store)
{
	const X509 *cert = X509_STORE_CTX_get_current_cert(store);
	const char *whose = X509_STORE_CTX_get_error_depth(store) > 0 ? "authority's " : "";
	int error = X509_STORE_CTX_get_error(store);
	char date[16], name[64];

	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		say(s, "%scertificate expired on %s", whose,
		    date_of(X509_get0_notAfter(cert), date));
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		say(s, "%scertificate is not valid before %s", whose,
		    date_of(X509_get0_notBefore(cert), date));
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		say(s, "certificate is for %s, not %s", subject_of(cert, name, sizeof(name)),
		    s->wanted);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		say(s, "certificate is self-signed: name it as ca_file");
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		say(s,
		    "certificate is by an authority that is not known: name that one as ca_file");
		break;
	default:
		say(s, "%scertificate: %s", whose, X509_verify_cert_error_string(error));
		break;
	}
}

/* The first fault ends the handshake, and is the reason. */
static int verified(int valid, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

	if (!valid)
		explain(SSL_get_app_data(ssl), store);
	return valid;
}

/* Adds all certificates of a PEM text. How many; -1: one of them is none. */
static int add_authorities(X509_STORE *store, const void *ca, size_t len)
{
	BIO *bio = BIO_new_mem_buf(ca, (int)len);
	X509 *cert;
	int n = 0;

	while (bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert);
		X509_free(cert);
	}
	BIO_free(bio);
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		n = -1;
	ERR_clear_error();
	return n;
}

static int trust(SSL_CTX *context, const void *ca, size_t len, char *why, size_t size)
{
	int n;

	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verified);
	if (ca == NULL)
		return SSL_CTX_set_default_verify_paths(context) == 1 ? 0 : -ENOMEM;
	n = add_authorities(SSL_CTX_get_cert_store(context), ca, len);
	if (n > 0)
		return 0;
	snprintf(why, size, "%s",
		 n == 0 ? "no certificate in it; write PEM, which begins with "
			  "-----BEGIN CERTIFICATE-----"
			: "one of its certificates is broken");
	return -EINVAL;
}

int gt_tls_create(bool verify, const void *ca, size_t ca_len, struct gt_tls **out, char *why,
		  size_t size)
{
	struct gt_tls *tls = calloc(1, sizeof(*tls));
	int rc;

	*out = tls;
	if (tls == NULL)
		return -ENOMEM;
	ERR_clear_error();
	tls->context = SSL_CTX_new(TLS_client_method());
	rc = tls->context != NULL ? 0 : -ENOMEM;
	if (rc == 0) {
		SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
		SSL_CTX_set_max_cert_list(tls->context, CHAIN_MAX);
		SSL_CTX_set_verify_depth(tls->context, CHAIN_DEPTH);
		SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
		/* How a page ends is HTTP's to say; many servers just close. */
		SSL_CTX_set_options(tls->context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
							  SSL_OP_IGNORE_UNEXPECTED_EOF);
		SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
						       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
						       SSL_MODE_RELEASE_BUFFERS);
		if (verify)
			rc = trust(tls->context, ca, ca_len, why, size);
	}
	if (rc != 0) {
		gt_tls_free(tls);
		*out = NULL;
	}
	return rc;
}

void gt_tls_free(struct gt_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->context);
	free(tls);
}

/* ---- a session ---- */

/* "pacs.example.org:8443" and "[2001:db8::1]:443" without what is not the name. */
static void copy_name(const char *host, char *name, size_t size)
{
	const char *colon = strchr(host, ':');

	if (host[0] == '[')
		snprintf(name, size, "%.*s", (int)strcspn(host + 1, "]"), host + 1);
	else if (colon != NULL && strchr(colon + 1, ':') == NULL)
		snprintf(name, size, "%.*s", (int)(colon - host), host);
	else
		snprintf(name, size, "%s", host);
}

/* Whom the certificate must be for, and whom the server is told; an address is not told. */
static bool expect(struct gt_tls_session *s, const char *host, const struct gt_addr *address)
{
	struct gt_addr unused;

	if (host != NULL)
		copy_name(host, s->wanted, sizeof(s->wanted));
	else
		gt_addr_format(address, s->wanted);
	if (gt_addr_parse(s->wanted, &unused) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), s->wanted) == 1;
	SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(s->ssl, s->wanted) == 1 &&
	       SSL_set_tlsext_host_name(s->ssl, s->wanted) == 1;
}

struct gt_tls_session *gt_tls_begin(struct gt_tls *tls, int fd, const char *host,
				    const struct gt_addr *address)
{
	struct gt_tls_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	ERR_clear_error();
	s->ssl = SSL_new(tls->context);
	if (s->ssl != NULL && SSL_set_app_data(s->ssl, s) == 1 && SSL_set_fd(s->ssl, fd) == 1 &&
	    expect(s, host, address)) {
		SSL_set_connect_state(s->ssl);
		return s;
	}
	SSL_free(s->ssl);
	free(s);
	return NULL;
}

void gt_tls_end(struct gt_tls_session *s)
{
	if (s == NULL)
		return;
	if (!s->failed && SSL_is_init_finished(s->ssl))
		SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	free(s);
}

static void explain_protocol(struct gt_tls_session *s, unsigned long error)
{
	const char *words = ERR_reason_error_string(error);

	switch (ERR_GET_REASON(error)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		break; /* explained by `verified` */
	case SSL_R_WRONG_VERSION_NUMBER:
		say(s, "the server does not speak TLS on this port");
		break;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		say(s, "the server does not speak TLS 1.2 or later");
		break;
	default:
		say(s, "TLS: %s", words != NULL ? words : "failed");
		break;
	}
}

/* What a call that gave rc <= 0 means: 0 closed, -EAGAIN, -EPROTO. */
static int judge(struct gt_tls_session *s, int rc, int error)
{
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		if (SSL_is_init_finished(s->ssl))
			return 0;
		say(s, "server closed the connection within the TLS handshake");
		break;
	case SSL_ERROR_SYSCALL:
		say(s, "TLS: %s", error != 0 ? strerror(error) : "the server has closed");
		break;
	default:
		explain_protocol(s, ERR_peek_error());
		break;
	}
	s->failed = true;
	return -EPROTO;
}

int gt_tls_handshake(struct gt_tls_session *s)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(s->ssl);
	return rc == 1 ? 0 : judge(s, rc, errno);
}

ssize_t gt_tls_send(struct gt_tls_session *s, const void *data, size_t len)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_write(s->ssl, data, (int)len);
	if (rc > 0)
		return rc;
	rc = judge(s, rc, errno);
	if (rc == 0) /* closed for reading only is no reason not to write */
		say(s, "the server has closed");
	return rc == 0 ? -EPROTO : rc;
}

ssize_t gt_tls_receive(struct gt_tls_session *s, void *buffer, size_t size)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read(s->ssl, buffer, (int)size);
	return rc > 0 ? rc : judge(s, rc, errno);
}

bool gt_tls_wants_output(const struct gt_tls_session *s)
{
	return SSL_want_write(s->ssl);
}

const char *gt_tls_reason(const struct gt_tls_session *s)
{
	return s->reason;
}
