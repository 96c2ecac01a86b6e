/* What is used of libnghttp2, declared by hand, and how it is found at run time.
 *
 * The library is on nearly every Linux machine, its headers are not: so nothing here needs them, nothing is linked,
 * and a machine without the library can still import the module and be told. The declarations are those of ABI 14
 * ("libnghttp2.so.14", 1.0 to this day); structures that the library fills are read through it only, and functions
 * that came later are optional.
 */
#ifndef RIGHTS_NGHTTP2_API_H
#define RIGHTS_NGHTTP2_API_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

typedef struct nghttp2_session nghttp2_session;
typedef struct nghttp2_session_callbacks nghttp2_session_callbacks;
typedef struct nghttp2_option nghttp2_option;

typedef struct {
  size_t length;
  int32_t stream_id;
  uint8_t type;
  uint8_t flags;
  uint8_t reserved;
} nghttp2_frame_hd;

typedef struct {
  uint8_t *name;
  uint8_t *value;
  size_t namelen;
  size_t valuelen;
  uint8_t flags;
} nghttp2_nv;

typedef struct {
  int32_t stream_id;
  int32_t weight;
  uint8_t exclusive;
} nghttp2_priority_spec;

/* A HEADERS frame; `cat` tells a request from a response from trailers. */
typedef struct {
  nghttp2_frame_hd hd;
  size_t padlen;
  nghttp2_priority_spec pri_spec;
  nghttp2_nv *nva;
  size_t nvlen;
  int cat;
} nghttp2_headers;

typedef struct {
  nghttp2_frame_hd hd;
  size_t padlen;
} nghttp2_data;

typedef struct {
  nghttp2_frame_hd hd;
  uint32_t error_code;
} nghttp2_rst_stream;

typedef struct {
  nghttp2_frame_hd hd;
  int32_t last_stream_id;
  uint32_t error_code;
} nghttp2_goaway;

/* The library's union has more members; it is only ever read through a pointer that the library gives. */
typedef union {
  nghttp2_frame_hd hd;
  nghttp2_data data;
  nghttp2_headers headers;
  nghttp2_rst_stream rst_stream;
  nghttp2_goaway goaway;
} nghttp2_frame;

typedef struct {
  int32_t settings_id;
  uint32_t value;
} nghttp2_settings_entry;

typedef union {
  int fd;
  void *ptr;
} nghttp2_data_source;

typedef ssize_t (*nghttp2_read_callback)(nghttp2_session *, int32_t, uint8_t *, size_t, uint32_t *,
                                         nghttp2_data_source *, void *);
typedef struct {
  nghttp2_data_source source;
  nghttp2_read_callback read_callback;
} nghttp2_data_provider;

typedef int (*nghttp2_frame_callback)(nghttp2_session *, const nghttp2_frame *, void *);
typedef int (*nghttp2_frame_hd_callback)(nghttp2_session *, const nghttp2_frame_hd *, void *);
typedef int (*nghttp2_not_sent_callback)(nghttp2_session *, const nghttp2_frame *, int, void *);
typedef int (*nghttp2_chunk_callback)(nghttp2_session *, uint8_t, int32_t, const uint8_t *, size_t, void *);
typedef int (*nghttp2_close_callback)(nghttp2_session *, int32_t, uint32_t, void *);
typedef int (*nghttp2_header_callback)(nghttp2_session *, const nghttp2_frame *, const uint8_t *, size_t,
                                       const uint8_t *, size_t, uint8_t, void *);

#define RIGHTS_NGHTTP2_REQUIRED(X)                                                                                  \
  X(int, session_callbacks_new, (nghttp2_session_callbacks **))                                                     \
  X(void, session_callbacks_del, (nghttp2_session_callbacks *))                                                     \
  X(void, session_callbacks_set_on_begin_frame_callback, (nghttp2_session_callbacks *, nghttp2_frame_hd_callback))  \
  X(void, session_callbacks_set_on_begin_headers_callback, (nghttp2_session_callbacks *, nghttp2_frame_callback))   \
  X(void, session_callbacks_set_on_header_callback, (nghttp2_session_callbacks *, nghttp2_header_callback))         \
  X(void, session_callbacks_set_on_frame_recv_callback, (nghttp2_session_callbacks *, nghttp2_frame_callback))      \
  X(void, session_callbacks_set_on_data_chunk_recv_callback, (nghttp2_session_callbacks *, nghttp2_chunk_callback)) \
  X(void, session_callbacks_set_on_stream_close_callback, (nghttp2_session_callbacks *, nghttp2_close_callback))    \
  X(void, session_callbacks_set_on_frame_send_callback, (nghttp2_session_callbacks *, nghttp2_frame_callback))      \
  X(void, session_callbacks_set_on_frame_not_send_callback,                                                         \
    (nghttp2_session_callbacks *, nghttp2_not_sent_callback))                                                       \
  X(int, option_new, (nghttp2_option **))                                                                           \
  X(void, option_del, (nghttp2_option *))                                                                           \
  X(void, option_set_no_auto_window_update, (nghttp2_option *, int))                                                \
  X(void, option_set_no_closed_streams, (nghttp2_option *, int))                                                    \
  X(void, option_set_max_outbound_ack, (nghttp2_option *, size_t))                                                  \
  X(int, session_server_new2,                                                                                       \
    (nghttp2_session **, const nghttp2_session_callbacks *, void *, const nghttp2_option *))                        \
  X(int, session_client_new2,                                                                                       \
    (nghttp2_session **, const nghttp2_session_callbacks *, void *, const nghttp2_option *))                        \
  X(void, session_del, (nghttp2_session *))                                                                         \
  X(ssize_t, session_mem_recv, (nghttp2_session *, const uint8_t *, size_t))                                        \
  X(ssize_t, session_mem_send, (nghttp2_session *, const uint8_t **))                                               \
  X(int, session_want_read, (nghttp2_session *))                                                                    \
  X(int, session_want_write, (nghttp2_session *))                                                                   \
  X(int, session_resume_data, (nghttp2_session *, int32_t))                                                         \
  X(int, session_consume_connection, (nghttp2_session *, size_t))                                                   \
  X(int, session_consume_stream, (nghttp2_session *, int32_t, size_t))                                              \
  X(int, session_set_local_window_size, (nghttp2_session *, uint8_t, int32_t, int32_t))                             \
  X(int, session_set_stream_user_data, (nghttp2_session *, int32_t, void *))                                        \
  X(void *, session_get_stream_user_data, (nghttp2_session *, int32_t))                                             \
  X(int32_t, session_get_last_proc_stream_id, (nghttp2_session *))                                                  \
  X(int, session_terminate_session, (nghttp2_session *, uint32_t))                                                  \
  X(int, submit_settings, (nghttp2_session *, uint8_t, const nghttp2_settings_entry *, size_t))                     \
  X(int, submit_response,                                                                                           \
    (nghttp2_session *, int32_t, const nghttp2_nv *, size_t, const nghttp2_data_provider *))                        \
  X(int32_t, submit_request,                                                                                        \
    (nghttp2_session *, const nghttp2_priority_spec *, const nghttp2_nv *, size_t, const nghttp2_data_provider *,   \
     void *))                                                                                                       \
  X(int, submit_trailer, (nghttp2_session *, int32_t, const nghttp2_nv *, size_t))                                  \
  X(int, submit_rst_stream, (nghttp2_session *, uint8_t, int32_t, uint32_t))                                        \
  X(int, submit_ping, (nghttp2_session *, uint8_t, const uint8_t *))                                                \
  X(int, submit_shutdown_notice, (nghttp2_session *))                                                               \
  X(int, submit_goaway, (nghttp2_session *, uint8_t, int32_t, uint32_t, const uint8_t *, size_t))                   \
  X(const char *, strerror, (int))

/* Newer bounds of the library's own; where they are missing, the session's bounds stand alone. */
#define RIGHTS_NGHTTP2_OPTIONAL(X)                                              \
  X(void, option_set_max_settings, (nghttp2_option *, size_t))                  \
  X(void, option_set_max_continuations, (nghttp2_option *, size_t))             \
  X(void, option_set_stream_reset_rate_limit, (nghttp2_option *, uint64_t, uint64_t))

#define RIGHTS_FIELD(result, name, arguments) result(*name) arguments;
typedef struct {
  RIGHTS_NGHTTP2_REQUIRED(RIGHTS_FIELD)
  RIGHTS_NGHTTP2_OPTIONAL(RIGHTS_FIELD)
} rights_nghttp2;
#undef RIGHTS_FIELD

/* Loads the library. NULL, or what is wrong; the text is the dynamic linker's or the name of a missing function. */
static const char *rights_nghttp2_load(rights_nghttp2 *api, const char *library) {
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) return dlerror();
#define RIGHTS_LOAD(result, name, arguments) *(void **)&api->name = dlsym(handle, "nghttp2_" #name);
  RIGHTS_NGHTTP2_REQUIRED(RIGHTS_LOAD)
  RIGHTS_NGHTTP2_OPTIONAL(RIGHTS_LOAD)
#undef RIGHTS_LOAD
#define RIGHTS_CHECK(result, name, arguments) \
  if (api->name == NULL) return "it lacks the function nghttp2_" #name;
  RIGHTS_NGHTTP2_REQUIRED(RIGHTS_CHECK)
#undef RIGHTS_CHECK
  return NULL;
}

#endif
