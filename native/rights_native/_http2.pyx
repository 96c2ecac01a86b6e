# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""HTTP/2 sessions that carry gRPC messages, over libnghttp2: bytes in, streams with news; answers in, bytes out.

Why it is written the way it is:

(a) *No I/O, no event loop.* A session is given what a connection received and asked what to send. So the same code
    serves plaintext and TLS, is a client too, and can be fuzzed and tested without a socket.
(b) *The library is loaded at run time* (nghttp2_api.h says why); `load` tells what is missing.
(c) *Callbacks only take notes.* Inside the library's callbacks nothing of the owner runs: streams that have news are
    listed, once each, and looked at when `receive` has returned. So nothing can be closed under the library's feet, and
    a call whose headers and message came in one read costs its owner one look.
(d) *Messages are cut out here.* A message that lies in one chunk is copied once. One that does not is gathered in
    a buffer that grows with what has arrived, never with what was announced.
(e) *Windows open as messages are taken.* A stream whose owner does not keep up is stopped by its flow control window.
    Chunks of a message that is not complete count as taken: it could never become complete otherwise. The
    connection's window opens at once, so that one slow stream does not stop its neighbours.
(f) *All that waits is counted*, against one budget of the whole process: open calls, messages, gathered bytes, headers
    (of which a byte on the wire may be thousands here) until their owner lets them go, answers that are not read; with
    what each costs besides its bytes, so that many small ones cost what they cost. What arrives and does not fit fails
    its own call. Answers are there already: for them it is told that new calls would be too many (`overfull`), and
    which streams have not been read for long (`unread`). A connection that holds little always may: who has spent the
    budget must not shut out who uses none of it.
(g) *Floods end the connection.* Frames that cost us and bring nothing (PING, SETTINGS, RST_STREAM, empty DATA,
    CONTINUATION, GOAWAY) are counted, most of them per second; streams that the library resets for mistakes count as
    the resets they are. The session then says GOAWAY, ENHANCE_YOUR_CALM, and `calm` names the reason.
(h) *Output is pulled* by the owner, and only as fast as its transport takes it; what a peer does not read stays in
    the streams' queues, and their owners wait (`queued`).
(i) *A stream is held by its session until the library closes it*, so pointers given to the library are good for as
    long as it has them. `close` frees the library's side at once; what is called afterwards does nothing.
"""

from collections import deque

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, strlen
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from "nghttp2_api.h":
    ctypedef struct nghttp2_session:
        pass
    ctypedef struct nghttp2_session_callbacks:
        pass
    ctypedef struct nghttp2_option:
        pass
    ctypedef struct nghttp2_frame_hd:
        size_t length
        int32_t stream_id
        uint8_t type
        uint8_t flags
    ctypedef struct nghttp2_headers:
        int cat
    ctypedef struct nghttp2_data:
        size_t padlen
    ctypedef struct nghttp2_rst_stream:
        uint32_t error_code
    ctypedef struct nghttp2_goaway:
        uint32_t error_code
    ctypedef union nghttp2_frame:
        nghttp2_frame_hd hd
        nghttp2_headers headers
        nghttp2_data data
        nghttp2_rst_stream rst_stream
        nghttp2_goaway goaway
    ctypedef struct nghttp2_nv:
        uint8_t *name
        uint8_t *value
        size_t namelen
        size_t valuelen
        uint8_t flags
    ctypedef struct nghttp2_settings_entry:
        int32_t settings_id
        uint32_t value
    ctypedef union nghttp2_data_source:
        void *ptr
    ctypedef ssize_t (*nghttp2_read_callback)(nghttp2_session *, int32_t, uint8_t *, size_t, uint32_t *,
                                              nghttp2_data_source *, void *) noexcept
    ctypedef struct nghttp2_data_provider:
        nghttp2_data_source source
        nghttp2_read_callback read_callback
    ctypedef int (*nghttp2_frame_callback)(nghttp2_session *, const nghttp2_frame *, void *) noexcept
    ctypedef int (*nghttp2_frame_hd_callback)(nghttp2_session *, const nghttp2_frame_hd *, void *) noexcept
    ctypedef int (*nghttp2_not_sent_callback)(nghttp2_session *, const nghttp2_frame *, int, void *) noexcept
    ctypedef int (*nghttp2_chunk_callback)(nghttp2_session *, uint8_t, int32_t, const uint8_t *, size_t,
                                           void *) noexcept
    ctypedef int (*nghttp2_close_callback)(nghttp2_session *, int32_t, uint32_t, void *) noexcept
    ctypedef int (*nghttp2_header_callback)(nghttp2_session *, const nghttp2_frame *, const uint8_t *, size_t,
                                            const uint8_t *, size_t, uint8_t, void *) noexcept
    ctypedef struct rights_nghttp2:
        int (*session_callbacks_new)(nghttp2_session_callbacks **)
        void (*session_callbacks_del)(nghttp2_session_callbacks *)
        void (*session_callbacks_set_on_begin_frame_callback)(nghttp2_session_callbacks *,
                                                              nghttp2_frame_hd_callback)
        void (*session_callbacks_set_on_begin_headers_callback)(nghttp2_session_callbacks *,
                                                                nghttp2_frame_callback)
        void (*session_callbacks_set_on_header_callback)(nghttp2_session_callbacks *, nghttp2_header_callback)
        void (*session_callbacks_set_on_frame_recv_callback)(nghttp2_session_callbacks *, nghttp2_frame_callback)
        void (*session_callbacks_set_on_data_chunk_recv_callback)(nghttp2_session_callbacks *,
                                                                  nghttp2_chunk_callback)
        void (*session_callbacks_set_on_stream_close_callback)(nghttp2_session_callbacks *,
                                                               nghttp2_close_callback)
        void (*session_callbacks_set_on_frame_send_callback)(nghttp2_session_callbacks *, nghttp2_frame_callback)
        void (*session_callbacks_set_on_frame_not_send_callback)(nghttp2_session_callbacks *,
                                                                 nghttp2_not_sent_callback)
        int (*option_new)(nghttp2_option **)
        void (*option_del)(nghttp2_option *)
        void (*option_set_no_auto_window_update)(nghttp2_option *, int)
        void (*option_set_no_closed_streams)(nghttp2_option *, int)
        void (*option_set_max_outbound_ack)(nghttp2_option *, size_t)
        void (*option_set_stream_reset_rate_limit)(nghttp2_option *, uint64_t, uint64_t)
        int (*session_server_new2)(nghttp2_session **, const nghttp2_session_callbacks *, void *,
                                   const nghttp2_option *)
        int (*session_client_new2)(nghttp2_session **, const nghttp2_session_callbacks *, void *,
                                   const nghttp2_option *)
        void (*session_del)(nghttp2_session *)
        ssize_t (*session_mem_recv)(nghttp2_session *, const uint8_t *, size_t)
        ssize_t (*session_mem_send)(nghttp2_session *, const uint8_t **)
        int (*session_want_read)(nghttp2_session *)
        int (*session_want_write)(nghttp2_session *)
        int (*session_resume_data)(nghttp2_session *, int32_t)
        int (*session_consume_connection)(nghttp2_session *, size_t)
        int (*session_consume_stream)(nghttp2_session *, int32_t, size_t)
        int (*session_set_local_window_size)(nghttp2_session *, uint8_t, int32_t, int32_t)
        int (*session_set_stream_user_data)(nghttp2_session *, int32_t, void *)
        void *(*session_get_stream_user_data)(nghttp2_session *, int32_t)
        int32_t (*session_get_last_proc_stream_id)(nghttp2_session *)
        int (*session_terminate_session)(nghttp2_session *, uint32_t)
        int (*submit_settings)(nghttp2_session *, uint8_t, const nghttp2_settings_entry *, size_t)
        int (*submit_response)(nghttp2_session *, int32_t, const nghttp2_nv *, size_t,
                               const nghttp2_data_provider *)
        int32_t (*submit_request)(nghttp2_session *, const void *, const nghttp2_nv *, size_t,
                                  const nghttp2_data_provider *, void *)
        int (*submit_trailer)(nghttp2_session *, int32_t, const nghttp2_nv *, size_t)
        int (*submit_rst_stream)(nghttp2_session *, uint8_t, int32_t, uint32_t)
        int (*submit_ping)(nghttp2_session *, uint8_t, const uint8_t *)
        int (*submit_shutdown_notice)(nghttp2_session *)
        int (*submit_goaway)(nghttp2_session *, uint8_t, int32_t, uint32_t, const uint8_t *, size_t)
        const char *(*strerror)(int)
    const char *rights_nghttp2_load(rights_nghttp2 *, const char *)

cdef enum:
    FRAME_DATA = 0
    FRAME_HEADERS = 1
    FRAME_PRIORITY = 2
    FRAME_RST_STREAM = 3
    FRAME_SETTINGS = 4
    FRAME_PING = 6
    FRAME_GOAWAY = 7
    FRAME_CONTINUATION = 9

    FLAG_END_STREAM = 1
    FLAG_ACK = 1

    CATEGORY_REQUEST = 0
    CATEGORY_RESPONSE = 1
    CATEGORY_TRAILERS = 3

    DATA_EOF = 1
    DATA_NO_END_STREAM = 2

    NV_NO_COPY = 6  # name and value

    ERR_DEFERRED = -508
    ERR_TEMPORAL = -521
    ERR_CALLBACK = -902
    ERR_BAD_MAGIC = -903
    ERR_FLOODED = -904
    ERR_CONTINUATIONS = -905

    CODE_NO_ERROR = 0
    CODE_PROTOCOL_ERROR = 1
    CODE_INTERNAL_ERROR = 2
    CODE_REFUSED_STREAM = 7
    CODE_CANCEL = 8
    CODE_ENHANCE_YOUR_CALM = 11
    CODE_INADEQUATE_SECURITY = 12

    PREFIX_BYTES = 5  # of a gRPC message: flag, length
    CALL_BYTES = 3_072  # an open call, with its stream, its handler and the library's part
    MESSAGE_OVERHEAD = 64  # what a message that waits costs besides its bytes
    HELD_READ_BYTES = 1_024  # of an answer that may stay in memory after they are sent, if that is more than the rest
    FIELD_OVERHEAD = 150  # the same of a header field: a tuple and two objects
    FIRST_GATHERED_BYTES = 4096
    LISTED_OVERHEAD = 32  # of a header field, as HTTP/2 counts its list
    MAX_CONTINUATIONS = 64  # of one header block
    HEADER_FLOOD_FACTOR = 16  # times the allowed list is no mistake any more
    MAX_CONTROL_FRAMES = 10_000  # PRIORITY, answers to PING and unknown ones a second
    MAX_GOAWAYS = 10  # ever: the library looks at every stream for each, and two are all that a peer has to say

    ERROR_HEADERS_TOO_LARGE = 1
    ERROR_MESSAGE_TOO_LARGE = 2
    ERROR_MESSAGE_TRUNCATED = 3
    ERROR_BAD_FLAG = 4
    ERROR_OVER_BUDGET = 5

    ROOM_BYTES = 32 * 1024  # what may still be queued when a stream has room again

# What is wrong with what a stream received (Stream.error).
HEADERS_TOO_LARGE = ERROR_HEADERS_TOO_LARGE
MESSAGE_TOO_LARGE = ERROR_MESSAGE_TOO_LARGE
MESSAGE_TRUNCATED = ERROR_MESSAGE_TRUNCATED
BAD_FLAG = ERROR_BAD_FLAG
OVER_BUDGET = ERROR_OVER_BUDGET

# HTTP/2 error codes that owners use.
NO_ERROR = CODE_NO_ERROR
REFUSED_STREAM = CODE_REFUSED_STREAM
CANCEL = CODE_CANCEL
INTERNAL_ERROR = CODE_INTERNAL_ERROR
ENHANCE_YOUR_CALM = CODE_ENHANCE_YOUR_CALM
INADEQUATE_SECURITY = CODE_INADEQUATE_SECURITY

cdef rights_nghttp2 api
cdef bint loaded = False
cdef nghttp2_session_callbacks *callbacks = NULL


class LibraryMissing(Exception):
    """libnghttp2 cannot be used; the message says why."""


def load(str library not None = "libnghttp2.so.14"):
    """Loads the library by name or path, once per process. Raises LibraryMissing."""
    global loaded
    cdef const char *problem
    if loaded:
        return
    name = library.encode()
    problem = rights_nghttp2_load(&api, name)
    if problem != NULL:
        raise LibraryMissing(f"{library}: {problem.decode(errors='replace')}")
    _make_callbacks()
    loaded = True


cdef int _make_callbacks() except -1:
    global callbacks
    if api.session_callbacks_new(&callbacks) != 0:
        raise MemoryError
    api.session_callbacks_set_on_begin_frame_callback(callbacks, _on_begin_frame)
    api.session_callbacks_set_on_begin_headers_callback(callbacks, _on_begin_headers)
    api.session_callbacks_set_on_header_callback(callbacks, _on_header)
    api.session_callbacks_set_on_frame_recv_callback(callbacks, _on_frame)
    api.session_callbacks_set_on_data_chunk_recv_callback(callbacks, _on_chunk)
    api.session_callbacks_set_on_stream_close_callback(callbacks, _on_close)
    api.session_callbacks_set_on_frame_send_callback(callbacks, _on_sent)
    api.session_callbacks_set_on_frame_not_send_callback(callbacks, _on_not_sent)
    return 0


cdef class Limits:
    """Bounds of a session. Rates are per second and connection; sizes in bytes."""

    cdef readonly int max_streams, max_header_bytes, stream_window_bytes, connection_window_bytes
    cdef readonly int max_pings, max_settings, max_resets, max_empty_frames
    cdef readonly Py_ssize_t max_message_bytes, max_unread_bytes

    def __init__(self, *, max_streams=1000, max_header_bytes=16 * 1024, max_message_bytes=8 * 1024 * 1024,
                 max_unread_bytes=16 * 1024 * 1024,
                 stream_window_bytes=256 * 1024, connection_window_bytes=4 * 1024 * 1024,
                 max_pings=10_000, max_settings=100, max_resets=2_000, max_empty_frames=100):
        self.max_streams = max_streams
        self.max_header_bytes = max_header_bytes
        self.max_message_bytes = max_message_bytes
        self.max_unread_bytes = max_unread_bytes
        self.stream_window_bytes = stream_window_bytes
        self.connection_window_bytes = connection_window_bytes
        self.max_pings = max_pings
        self.max_settings = max_settings
        self.max_resets = max_resets
        self.max_empty_frames = max_empty_frames


cdef class Budget:
    """Bytes that all sessions which share it may hold: what arrived and waits, what servers answer and is not read."""

    cdef readonly Py_ssize_t limit, held
    cdef public Py_ssize_t spared  # each session may hold so much, and leave so much unread, whatever others do

    def __init__(self, Py_ssize_t limit, Py_ssize_t spared=0):
        self.limit = limit
        self.spared = spared
        self.held = 0


cdef double _now() noexcept:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return at.tv_sec + at.tv_nsec / 1e9


cdef class Stream:
    """One call, from the side that the session is of.

    What arrived: `path`, `content_type`, ... and `metadata` of a request; `metadata` and `trailers` of an answer, as
    (name, value) bytes; messages, one by one with `take`. Sending does nothing once the stream is closed.
    """

    cdef readonly Session session
    cdef readonly int id
    cdef public object call  # whoever serves the stream, or waits for it; None: nobody (any more)
    cdef readonly bint opened  # its headers are complete
    cdef readonly bint ended  # the peer sends no more
    cdef readonly bint closed
    cdef readonly uint32_t reset_code  # of a closed stream: why; 0 if it ended in order
    cdef readonly int error  # what is wrong with what arrived, 0: nothing
    cdef readonly Py_ssize_t error_bytes  # the size that was too much
    cdef readonly bint is_post
    cdef readonly bint has_te
    cdef readonly bytes path, content_type, timeout, encoding
    cdef readonly bint accepts_gzip
    cdef readonly list metadata, trailers
    cdef readonly bint compressed  # whether the message last taken is
    cdef readonly double opened_at  # when its headers were complete
    cdef readonly double waiting_since  # when a message began that is incomplete by the peer's doing; 0: none is
    cdef readonly Py_ssize_t queued  # what messages cost, with overhead, that the library has not taken
    cdef readonly double moved_at  # since when `queued` waits: the library took bytes last, or there were none before
    cdef public bint wants_room  # list the stream when `queued` is low again
    cdef readonly bint answered  # the response's headers are submitted

    cdef bint listed, finishing, deferred, is_client
    cdef int header_bytes
    cdef object message  # to be taken next: bytes, or (bytes,) for a compressed one; None: there is none
    cdef object more  # deque of those after it, where there ever were any: a unary call has one, and a deque is large
    cdef uint8_t prefix[5]
    cdef int prefix_length
    cdef uint8_t *gathered
    cdef Py_ssize_t gathered_length, gathered_capacity, message_length
    cdef Py_ssize_t held, unconsumed
    cdef Py_ssize_t fields  # of `held`: for headers,
    cdef Py_ssize_t itself  # and for the call as such
    cdef bytes chunk
    cdef Py_ssize_t chunk_offset
    cdef object chunks
    cdef list last_trailers

    def __dealloc__(self):
        free(self.gathered)

    def take(self):
        """The next message, or None. `compressed` says what it is."""
        message = self.message
        if message is None:
            return None
        self.message = self.more.popleft() if self.more else None
        self.compressed = type(message) is tuple
        if self.compressed:
            message = message[0]
        self._hold(-(PyBytes_GET_SIZE(message) + MESSAGE_OVERHEAD))
        if self.message is None:
            self._consumed()
            self._wait()
        return message

    def forget(self):
        """Lets go of the headers that arrived; path, encodings and timeout stay."""
        if self.fields:
            self._hold(-self.fields)
            self.fields = 0
            self.metadata = []
            self.content_type = None

    @property
    def has_message(self):
        """Whether `take` has one."""
        return self.message is not None

    @property
    def has_compressed(self):
        """Whether the next one is compressed."""
        return type(self.message) is tuple

    def reply(self, bytes message not None, bint compressed=False):
        """The whole answer of a unary call in its plainest form: headers, the message, status OK."""
        cdef nghttp2_data_provider provider
        if not self._can_answer():
            return
        self.answered = self.finishing = True
        self.moved_at = self.session.now
        self._enqueue(message, compressed)
        provider.source.ptr = <void *>self
        provider.read_callback = _on_read
        api.submit_response(self.session.native, self.id, plain_headers, 3, &provider)

    def start(self, list headers not None):
        """The response's headers: (name, value) in addition to those of every answer; messages may follow."""
        cdef nghttp2_data_provider provider
        cdef nghttp2_nv *fields
        if not self._can_answer():
            return
        self.answered = True
        provider.source.ptr = <void *>self
        provider.read_callback = _on_read
        fields = _fields(plain_headers, 3, headers)
        try:
            api.submit_response(self.session.native, self.id, fields, 3 + len(headers), &provider)
        finally:
            free(fields)

    def send(self, bytes message not None, bint compressed=False):
        """Queues a message."""
        if self.closed or self.finishing:
            return
        self._enqueue(message, compressed)
        self._resume()

    def finish(self, list trailers not None):
        """The end of an answer that has started: its trailers, after what is queued."""
        if self.closed or self.finishing:
            return
        self.finishing = True
        self.moved_at = self.session.now
        self.last_trailers = trailers
        self._resume()

    def refuse(self, bytes status not None, list headers not None):
        """An answer of headers alone, with HTTP status `status`; what comes with it is all in `headers`."""
        cdef nghttp2_nv *fields
        if not self._can_answer():
            return
        self.answered = self.finishing = True
        fields = _fields(NULL, 0, [(b":status", status), *headers])
        try:
            api.submit_response(self.session.native, self.id, fields, 1 + len(headers), NULL)
        finally:
            free(fields)

    def end(self):
        """A client's request is complete, after what is queued."""
        if self.closed or self.finishing:
            return
        self.finishing = True
        self._resume()

    def reset(self, uint32_t code):
        """Ends the stream at once, both ways."""
        if not self.closed and self.session.native != NULL:
            api.submit_rst_stream(self.session.native, 0, self.id, code)

    cdef bint _can_answer(self):
        return not self.closed and not self.answered and self.session.native != NULL

    cdef int _resume(self) except -1:
        if self.deferred and self.session.native != NULL:
            self.deferred = False
            api.session_resume_data(self.session.native, self.id)
        return 0

    cdef int _enqueue(self, bytes message, bint compressed) except -1:
        cdef Py_ssize_t length = PyBytes_GET_SIZE(message)
        if length > 0xFFFFFFFF:
            raise OverflowError(f"a message of {length} bytes; gRPC's largest has {0xFFFFFFFF}")
        cdef bytes framed = PyBytes_FromStringAndSize(NULL, length + PREFIX_BYTES)
        cdef uint8_t *to = <uint8_t *>PyBytes_AS_STRING(framed)
        to[0] = compressed
        to[1] = (length >> 24) & 0xFF
        to[2] = (length >> 16) & 0xFF
        to[3] = (length >> 8) & 0xFF
        to[4] = length & 0xFF
        memcpy(to + PREFIX_BYTES, PyBytes_AS_STRING(message), length)
        if self.queued == 0:
            self.moved_at = self.session.now
        self._queue(length + PREFIX_BYTES + MESSAGE_OVERHEAD)
        if self.chunk is None:
            self.chunk = framed
            self.chunk_offset = 0
        else:
            if self.chunks is None:
                self.chunks = deque()
            self.chunks.append(framed)
        return 0

    cdef int _queue(self, Py_ssize_t size) except -1:
        self.queued += size
        self.session.queued += size
        if not self.is_client:  # whose requests are its caller's, who has them anyway
            self.session.budget.held += size
        return 0

    # What arrives.

    cdef int _hold(self, Py_ssize_t size) except -1:
        self.held += size
        self.session.held += size
        self.session.budget.held += size
        return 0

    cdef int _fail(self, int error, Py_ssize_t size) except -1:
        """What arrived is wrong; what follows is thrown away."""
        if not self.error:
            self.error = error
            self.error_bytes = size
        self._drop()
        self.session._list(self)
        return 0

    cdef int _drop(self) except -1:
        self.message = self.more = None
        self._hold(self.fields + self.itself - self.held)
        free(self.gathered)
        self.gathered = NULL
        self.gathered_length = self.gathered_capacity = 0
        self.waiting_since = 0
        self._consumed()
        return 0

    cdef int _consumed(self) except -1:
        """Opens the stream's window by what came and is out of the way."""
        cdef Py_ssize_t size = self.unconsumed
        if size:
            self.unconsumed = 0
            if not self.closed and self.session.native != NULL:
                api.session_consume_stream(self.session.native, self.id, size)
        return 0

    cdef int _receive(self, const uint8_t *data, Py_ssize_t length) except -1:
        cdef Py_ssize_t size
        self.unconsumed += length
        while length and not self.error:
            if self.prefix_length < PREFIX_BYTES:
                size = min(length, <Py_ssize_t>(PREFIX_BYTES - self.prefix_length))
                memcpy(self.prefix + self.prefix_length, data, size)
                self.prefix_length += size
                data += size
                length -= size
                if self.prefix_length < PREFIX_BYTES:
                    break
                if self.prefix[0] > 1:
                    self._fail(ERROR_BAD_FLAG, self.prefix[0])
                    break
                self.message_length = (
                    (<Py_ssize_t>self.prefix[1] << 24)
                    | (<Py_ssize_t>self.prefix[2] << 16)
                    | (<Py_ssize_t>self.prefix[3] << 8)
                    | <Py_ssize_t>self.prefix[4]
                )
                if self.message_length > self.session.limits.max_message_bytes:
                    self._fail(ERROR_MESSAGE_TOO_LARGE, self.message_length)
                    break
                if length == 0 and self.message_length:
                    break
            if self.gathered_length == 0 and length >= self.message_length:
                size = self.message_length
                self._complete(PyBytes_FromStringAndSize(<const char *>data, size))
            else:
                size = min(length, self.message_length - self.gathered_length)
                self._gather(data, size)
                if self.error:
                    break
                if self.gathered_length == self.message_length:
                    message = PyBytes_FromStringAndSize(<const char *>self.gathered, self.gathered_length)
                    self._hold(-self.gathered_capacity)
                    free(self.gathered)
                    self.gathered = NULL
                    self.gathered_length = self.gathered_capacity = 0
                    self._complete(message)
            data += size
            length -= size
        if self.error or self.message is None:
            self._consumed()
        self._wait()
        return 0

    cdef int _wait(self) noexcept:
        """Notes since when the peer owes the rest of a message; while others wait to be taken, it does not."""
        if self.prefix_length == 0 or self.error or self.message is not None:
            self.waiting_since = 0
        elif self.waiting_since == 0:
            self.waiting_since = self.session.now
        return 0

    cdef int _gather(self, const uint8_t *data, Py_ssize_t size) except -1:
        cdef Py_ssize_t needed = self.gathered_length + size
        cdef Py_ssize_t capacity = self.gathered_capacity or FIRST_GATHERED_BYTES
        cdef uint8_t *moved
        while capacity < needed:
            capacity *= 2
        capacity = min(capacity, self.message_length)
        if capacity > self.gathered_capacity:
            if not self.session._has_room(capacity - self.gathered_capacity):
                self._fail(ERROR_OVER_BUDGET, self.message_length)
                return 0
            moved = <uint8_t *>realloc(self.gathered, capacity)
            if moved == NULL:
                raise MemoryError
            self._hold(capacity - self.gathered_capacity)
            self.gathered = moved
            self.gathered_capacity = capacity
        memcpy(self.gathered + self.gathered_length, data, size)
        self.gathered_length = needed
        return 0

    cdef int _complete(self, bytes message) except -1:
        cdef Py_ssize_t cost = PyBytes_GET_SIZE(message) + MESSAGE_OVERHEAD
        if not self.session._has_room(cost):
            self._fail(ERROR_OVER_BUDGET, PyBytes_GET_SIZE(message))
            return 0
        self._hold(cost)
        whole = (message,) if self.prefix[0] else message
        if self.message is None:
            self.message = whole
        else:
            if self.more is None:
                self.more = deque()
            self.more.append(whole)
        self.prefix_length = 0
        self.session._list(self)
        return 0

    cdef int _end(self) except -1:
        self.ended = True
        self.waiting_since = 0
        if self.prefix_length and not self.error:
            self._fail(ERROR_MESSAGE_TRUNCATED, self.gathered_length)
        self.session._list(self)
        return 0

    cdef int _close(self, uint32_t code) except -1:
        self.closed = True
        self.reset_code = code
        self._hold(-self.fields - self.itself)  # of `metadata` a client still reads the status
        self.fields = self.itself = 0
        if code or not self.is_client:  # a client still takes what came before an end in order
            self._drop()
        self.chunk = None
        self.chunks = None
        self._queue(-self.queued)
        if self.call is not None or self.is_client:
            self.session._list(self)
        return 0


cdef class Session:
    """One connection's HTTP/2. Owned by one thread; see the header of the module."""

    cdef nghttp2_session *native
    cdef readonly Limits limits
    cdef readonly Budget budget
    cdef readonly Py_ssize_t queued  # of all streams
    cdef readonly Py_ssize_t held  # of what arrived and was not taken, of all streams
    cdef readonly dict streams  # id: Stream, those that are not closed
    cdef readonly str calm  # the bound that the peer has broken, or None
    cdef readonly double now  # when something was received or sent last, seconds of the monotonic clock
    cdef readonly double received_at  # when something was received last
    cdef readonly double headers_since  # when a header block began that is not complete; 0: there is none
    cdef int32_t headers_of  # the stream whose block that is
    cdef readonly bint settled  # the peer's settings have come
    cdef readonly bint going_away  # the peer has said that it goes away
    cdef readonly int pongs  # answers to our pings
    cdef readonly uint32_t goaway_code  # of a GOAWAY sent: why
    cdef readonly object fault  # an exception in a callback: a mistake of ours

    cdef list news
    cdef bytes encodings  # that the last call accepts,
    cdef bint gzip  # and whether that is one of them
    cdef bint is_client, terminated
    cdef long second
    cdef int pings, settings, resets, empties, others, continuations, goaways

    def __init__(self, Limits limits not None, Budget budget not None, bint client=False):
        if not loaded:
            raise LibraryMissing("libnghttp2 is not loaded")
        self.limits = limits
        self.budget = budget
        self.streams = {}
        self.news = []
        self.is_client = client
        self.now = self.received_at = _now()
        self._open()

    cdef int _open(self) except -1:
        cdef nghttp2_option *option
        cdef nghttp2_settings_entry entries[4]
        cdef int result
        if api.option_new(&option) != 0:
            raise MemoryError
        api.option_set_no_auto_window_update(option, 1)
        api.option_set_no_closed_streams(option, 1)
        # Answers to PING and SETTINGS that wait: our own count comes first.
        api.option_set_max_outbound_ack(option, max(1_000, self.limits.max_pings + self.limits.max_settings))
        if api.option_set_stream_reset_rate_limit != NULL:  # our own count comes first
            api.option_set_stream_reset_rate_limit(option, 2 * self.limits.max_resets, 2 * self.limits.max_resets)
        create = api.session_client_new2 if self.is_client else api.session_server_new2
        result = create(&self.native, callbacks, <void *>self, option)
        api.option_del(option)
        if result != 0:
            self.native = NULL
            raise MemoryError
        entries[0].settings_id = 4  # INITIAL_WINDOW_SIZE
        entries[0].value = self.limits.stream_window_bytes
        entries[1].settings_id = 6  # MAX_HEADER_LIST_SIZE
        entries[1].value = self.limits.max_header_bytes
        entries[2].settings_id = 2 if self.is_client else 3  # ENABLE_PUSH, MAX_CONCURRENT_STREAMS
        entries[2].value = 0 if self.is_client else self.limits.max_streams
        entries[3].settings_id = 9  # NO_RFC7540_PRIORITIES: streams take turns
        entries[3].value = 1
        api.submit_settings(self.native, 0, entries, 4)
        api.session_set_local_window_size(self.native, 0, 0, self.limits.connection_window_bytes)
        return 0

    def __dealloc__(self):
        if self.native != NULL:
            api.session_del(self.native)

    def close(self):
        """The connection is gone: every stream is closed, and its news say so."""
        if self.native == NULL:
            return
        for stream in list(self.streams.values()):
            (<Stream>stream)._close(CODE_CANCEL)
        self.streams.clear()
        api.session_del(self.native)
        self.native = NULL

    def receive(self, bytes data not None):
        """What the connection received. False: the session is over, once its output is sent."""
        if self.native == NULL or self.calm is not None or self.fault is not None:
            return False
        self.now = self.received_at = _now()
        self._next_second()
        cdef ssize_t taken = api.session_mem_recv(
            self.native, <const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)
        )
        if taken < 0:
            if self.calm is None and self.fault is None:
                if taken == ERR_FLOODED:
                    self.calm = "flood"
                elif taken == ERR_CONTINUATIONS:
                    self.calm = "continuation"
                elif taken == ERR_BAD_MAGIC:
                    self.calm = "preface"
                else:
                    self.calm = "protocol"
            return False
        return api.session_want_read(self.native) != 0

    def take_news(self):
        """The streams on which something happened, each once, in order."""
        cdef list news = self.news
        if news:
            self.news = []
            for stream in news:
                (<Stream>stream).listed = False
        return news

    def output(self, Py_ssize_t limit):
        """The next bytes to send, about `limit` at most; empty: nothing for now."""
        cdef const uint8_t *data
        cdef ssize_t length
        cdef Py_ssize_t total = 0
        cdef bytes first = None
        cdef list parts = None
        if self.native == NULL:
            return b""
        self.now = _now()
        self._terminate()
        while total < limit:
            length = api.session_mem_send(self.native, &data)
            if length <= 0:
                if length < 0:
                    self._broken(length)
                if self._terminate():
                    continue
                break
            part = PyBytes_FromStringAndSize(<const char *>data, length)
            total += length
            if first is None:
                first = part
            else:
                if parts is None:
                    parts = [first]
                parts.append(part)
        if first is None:
            return b""
        return first if parts is None else b"".join(parts)

    @property
    def wants_output(self):
        """Whether there is something to send, or to receive before it can be."""
        return self.native != NULL and api.session_want_write(self.native) != 0

    @property
    def overfull(self):
        """Whether the peer leaves so much unread that it should get no more to read."""
        return self.queued > self.limits.max_unread_bytes or (
            self.queued > self.budget.spared and self.budget.held > self.budget.limit
        )

    @property
    def over(self):
        """Whether nothing is left to do on the connection."""
        if self.native == NULL:
            return True
        if self.calm is not None or self.fault is not None:
            return self.terminated and api.session_want_write(self.native) == 0
        return api.session_want_read(self.native) == 0 and api.session_want_write(self.native) == 0

    def request(self, list headers not None):
        """A client's new call: all its headers, pseudo ones first. Messages and `end` follow. None: no more ids."""
        cdef nghttp2_data_provider provider
        cdef nghttp2_nv *fields
        cdef int32_t stream_id
        cdef Stream stream
        if self.native == NULL:
            return None
        stream = Stream.__new__(Stream)
        stream.session = self
        stream.is_client = True
        stream.metadata = []
        provider.source.ptr = <void *>stream
        provider.read_callback = _on_read
        fields = _fields(NULL, 0, headers)
        try:
            stream_id = api.submit_request(
                self.native, NULL, fields, len(headers), &provider, <void *>stream
            )
        finally:
            free(fields)
        if stream_id < 0:
            return None
        stream.id = stream_id
        self.streams[stream_id] = stream
        return stream

    def ping(self):
        """Asks the peer for a sign of life."""
        if self.native != NULL:
            api.submit_ping(self.native, 0, NULL)

    def say_stopping(self):
        """A first GOAWAY: new calls should go elsewhere; those on their way are still served."""
        if self.native != NULL and not self.is_client:
            api.submit_shutdown_notice(self.native)

    def go_away(self, uint32_t code=CODE_NO_ERROR):
        """GOAWAY: no new calls; those that have begun go on."""
        if self.native != NULL:
            api.submit_goaway(
                self.native, 0, api.session_get_last_proc_stream_id(self.native), code, NULL, 0
            )

    def terminate(self, str reason):
        """GOAWAY, ENHANCE_YOUR_CALM: the session is over when it is sent. `reason` becomes `calm`."""
        if self.calm is None:
            self.calm = reason

    def overdue(self, double before):
        """Streams of which the peer has owed the rest since before that time (`now`'s clock).

        A message that has begun, or a request that nobody serves yet since it is not complete.
        """
        cdef Stream stream
        cdef list late = []
        for each in self.streams.values():
            stream = <Stream>each
            if 0 < stream.waiting_since < before or (
                stream.call is None and not stream.answered and 0 < stream.opened_at < before
            ):
                late.append(stream)
        return late

    def unread(self, double before):
        """Streams whose answers wait for the peer's window since before that time.

        Those that are complete; and, where too much is held, those to which more is to come.
        """
        cdef Stream stream
        cdef list stuck = []
        cdef bint scarce = self.budget.held > self.budget.limit
        for each in self.streams.values():
            stream = <Stream>each
            if (stream.finishing or scarce) and stream.queued and stream.moved_at < before:
                stuck.append(stream)
        return stuck

    cdef int _broken(self, ssize_t result) except -1:
        if self.calm is None and self.fault is None:
            self.fault = RuntimeError(f"libnghttp2: {api.strerror(<int>result).decode()}")
        return 0

    cdef bint _terminate(self) except -1:
        """Queues the last GOAWAY if there is a reason for one; whether it is new."""
        if self.terminated or (self.calm is None and self.fault is None):
            return False
        self.terminated = True
        if self.fault is not None:
            code = CODE_INTERNAL_ERROR
        elif self.calm == "preface" or self.calm == "protocol":
            code = CODE_PROTOCOL_ERROR
        else:
            code = CODE_ENHANCE_YOUR_CALM
        api.session_terminate_session(self.native, code)
        return True

    cdef bint _accepts_gzip(self, bytes encodings) except -1:
        if encodings != self.encodings:  # a client says the same with call after call
            self.encodings = encodings
            self.gzip = b"gzip" in encodings.replace(b" ", b"").split(b",")
        return self.gzip

    cdef bint _has_room(self, Py_ssize_t size) noexcept:
        return self.held + size <= self.budget.spared or self.budget.held + size <= self.budget.limit

    cdef int _list(self, Stream stream) except -1:
        if not stream.listed:
            stream.listed = True
            self.news.append(stream)
        return 0

    cdef int _next_second(self) noexcept:
        cdef long second = <long>self.now
        if second != self.second:
            self.second = second
            self.pings = self.settings = self.resets = self.empties = self.others = 0
        return 0

    cdef int _flooded(self, str reason) except -1:
        self.calm = reason
        return ERR_CALLBACK

    cdef int _failed(self, error) noexcept:
        """A mistake of ours inside a callback: the session ends, the owner is told."""
        self.fault = error
        return ERR_CALLBACK

    cdef int _count(self, const nghttp2_frame_hd *frame) except? -1:
        cdef Limits limits = self.limits
        if frame.type == FRAME_DATA:
            if frame.length == 0 and not frame.flags & FLAG_END_STREAM:
                self.empties += 1
                if self.empties > limits.max_empty_frames:
                    return self._flooded("empty")
        elif frame.type == FRAME_HEADERS:
            self.continuations = 0
        elif frame.type == FRAME_PING and not frame.flags & FLAG_ACK:
            self.pings += 1
            if self.pings > limits.max_pings:
                return self._flooded("ping")
        elif frame.type == FRAME_SETTINGS:
            self.settings += 1
            if self.settings > limits.max_settings:
                return self._flooded("settings")
        elif frame.type == FRAME_RST_STREAM:
            return self._reset()
        elif frame.type == FRAME_CONTINUATION:
            self.continuations += 1
            if self.continuations > MAX_CONTINUATIONS:
                return self._flooded("continuation")
        elif frame.type == FRAME_GOAWAY:
            self.goaways += 1
            if self.goaways > MAX_GOAWAYS:
                return self._flooded("goaway")
        elif frame.type == FRAME_PRIORITY or frame.type == FRAME_PING or frame.type > FRAME_CONTINUATION:
            self.others += 1
            if self.others > MAX_CONTROL_FRAMES:
                return self._flooded("control")
        return 0

    cdef int _reset(self) except? -1:
        self.resets += 1
        return self._flooded("reset") if self.resets > self.limits.max_resets else 0


# The library's callbacks. None may raise: what goes wrong becomes the session's fault.


cdef int _on_begin_frame(nghttp2_session *native, const nghttp2_frame_hd *frame, void *data) noexcept:
    cdef Session session = <Session>data
    try:
        return session._count(frame)
    except BaseException as error:
        return session._failed(error)


cdef int _on_begin_headers(nghttp2_session *native, const nghttp2_frame *frame, void *data) noexcept:
    cdef Session session = <Session>data
    cdef Stream stream
    cdef void *known
    try:
        session.headers_since = session.now
        session.headers_of = frame.hd.stream_id
        if frame.headers.cat == CATEGORY_REQUEST and not session.is_client:
            stream = Stream.__new__(Stream)
            stream.session = session
            stream.id = frame.hd.stream_id
            stream.metadata = []
            session.streams[stream.id] = stream
            api.session_set_stream_user_data(native, stream.id, <void *>stream)
            if session._has_room(CALL_BYTES):
                stream.itself = CALL_BYTES
                stream._hold(CALL_BYTES)
            else:
                stream.error = ERROR_OVER_BUDGET
                stream.error_bytes = CALL_BYTES
        else:
            known = api.session_get_stream_user_data(native, frame.hd.stream_id)
            if known != NULL:
                stream = <Stream>known
                stream.header_bytes = 0
                if stream.opened and session.is_client:
                    stream.trailers = []
    except BaseException as error:
        return session._failed(error)
    return 0


cdef int _on_header(nghttp2_session *native, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                    const uint8_t *value, size_t value_length, uint8_t flags, void *data) noexcept:
    cdef Session session = <Session>data
    cdef Stream stream
    cdef void *known
    cdef bytes content
    cdef Py_ssize_t cost
    if frame.hd.type != FRAME_HEADERS:
        return 0
    known = api.session_get_stream_user_data(native, frame.hd.stream_id)
    if known == NULL:
        return 0
    try:
        stream = <Stream>known
        stream.header_bytes += <int>(name_length + value_length) + LISTED_OVERHEAD
        if stream.header_bytes > session.limits.max_header_bytes:
            if stream.header_bytes > session.limits.max_header_bytes * HEADER_FLOOD_FACTOR:
                return session._flooded("headers")
            stream.error = ERROR_HEADERS_TOO_LARGE
            stream.error_bytes = stream.header_bytes
            return 0
        if stream.opened and not session.is_client:
            return 0  # trailers of a request, in which gRPC says nothing
        cost = name_length + value_length + FIELD_OVERHEAD
        if not session._has_room(cost):
            stream.error = ERROR_OVER_BUDGET
            stream.error_bytes = stream.header_bytes
            return 0
        stream.fields += cost
        stream._hold(cost)
        content = PyBytes_FromStringAndSize(<const char *>value, value_length)
        if stream.trailers is not None:
            stream.trailers.append((PyBytes_FromStringAndSize(<const char *>name, name_length), content))
            return 0
        if not session.is_client:
            if name_length == 5 and memcmp(name, b":path", 5) == 0:
                stream.path = content
                return 0
            if name_length == 7 and memcmp(name, b":method", 7) == 0:
                stream.is_post = content == b"POST"
                return 0
            if name[0] == b":":
                return 0
            if name_length == 2 and memcmp(name, b"te", 2) == 0:
                stream.has_te = content == b"trailers"
                return 0
            if name_length == 12 and memcmp(name, b"content-type", 12) == 0:
                stream.content_type = content
                return 0
            if name_length == 12 and memcmp(name, b"grpc-timeout", 12) == 0:
                stream.timeout = content
                return 0
            if name_length == 20 and memcmp(name, b"grpc-accept-encoding", 20) == 0:
                stream.accepts_gzip = session._accepts_gzip(content)
                return 0
        if name_length == 13 and memcmp(name, b"grpc-encoding", 13) == 0:
            stream.encoding = content
            return 0
        stream.metadata.append((PyBytes_FromStringAndSize(<const char *>name, name_length), content))
    except BaseException as error:
        return session._failed(error)
    return 0


cdef int _on_frame(nghttp2_session *native, const nghttp2_frame *frame, void *data) noexcept:
    cdef Session session = <Session>data
    cdef Stream stream
    cdef void *known
    cdef uint8_t kind = frame.hd.type
    try:
        if kind == FRAME_SETTINGS:
            session.settled = True
        elif kind == FRAME_PING and frame.hd.flags & FLAG_ACK:
            session.pongs += 1
        elif kind == FRAME_GOAWAY:
            session.going_away = True
        elif kind == FRAME_HEADERS or kind == FRAME_DATA:
            if kind == FRAME_HEADERS:
                session.headers_since = 0
            known = api.session_get_stream_user_data(native, frame.hd.stream_id)
            if known == NULL:
                return 0
            stream = <Stream>known
            if kind == FRAME_HEADERS and not stream.opened:
                stream.opened = True
                stream.opened_at = session.now
                session._list(stream)
            if frame.hd.flags & FLAG_END_STREAM:
                stream._end()
            elif kind == FRAME_DATA and frame.hd.length > 0 and frame.data.padlen >= frame.hd.length:
                session.empties += 1  # nothing but padding
                if session.empties > session.limits.max_empty_frames:
                    return session._flooded("empty")
    except BaseException as error:
        return session._failed(error)
    return 0


cdef int _on_chunk(nghttp2_session *native, uint8_t flags, int32_t stream_id, const uint8_t *chunk, size_t length,
                   void *data) noexcept:
    cdef Session session = <Session>data
    cdef void *known = api.session_get_stream_user_data(native, stream_id)
    api.session_consume_connection(native, length)
    if known == NULL:
        return 0
    try:
        (<Stream>known)._receive(chunk, length)
    except BaseException as error:
        return session._failed(error)
    return 0


cdef int _on_close(nghttp2_session *native, int32_t stream_id, uint32_t code, void *data) noexcept:
    cdef Session session = <Session>data
    cdef Stream stream
    try:
        if stream_id == session.headers_of:
            session.headers_since = 0  # its headers were refused, or are of no use any more
        stream = session.streams.pop(stream_id, None)
        if stream is not None:
            stream._close(code)
    except BaseException as error:
        return session._failed(error)
    return 0


cdef int _on_sent(nghttp2_session *native, const nghttp2_frame *frame, void *data) noexcept:
    cdef Session session = <Session>data
    cdef void *known
    try:
        if frame.hd.type == FRAME_HEADERS:
            if frame.hd.flags & FLAG_END_STREAM and not session.is_client:
                known = api.session_get_stream_user_data(native, frame.hd.stream_id)
                if known != NULL and not (<Stream>known).ended:
                    # The answer is complete before the request: the rest of that is not wanted.
                    api.submit_rst_stream(native, 0, frame.hd.stream_id, CODE_NO_ERROR)
        elif frame.hd.type == FRAME_RST_STREAM:
            if frame.rst_stream.error_code not in (CODE_NO_ERROR, CODE_CANCEL) and not session.is_client:
                session._reset()  # `output` sees what it has found
        elif frame.hd.type == FRAME_GOAWAY:
            session.goaway_code = frame.goaway.error_code
    except BaseException as error:
        return session._failed(error)
    return 0


cdef int _on_not_sent(nghttp2_session *native, const nghttp2_frame *frame, int reason, void *data) noexcept:
    # Headers that cannot be sent (too large) would leave the peer waiting.
    if frame.hd.type == FRAME_HEADERS and not (<Session>data).is_client:
        api.submit_rst_stream(native, 0, frame.hd.stream_id, CODE_INTERNAL_ERROR)
    return 0


cdef ssize_t _on_read(nghttp2_session *native, int32_t stream_id, uint8_t *to, size_t room, uint32_t *flags,
                      nghttp2_data_source *source, void *data) noexcept:
    cdef Session session = <Session>data
    cdef Stream stream = <Stream>source.ptr
    cdef Py_ssize_t size, copied = 0
    cdef nghttp2_nv *fields
    cdef int result
    try:
        while room and stream.chunk is not None:
            size = min(<Py_ssize_t>room, PyBytes_GET_SIZE(stream.chunk) - stream.chunk_offset)
            memcpy(to + copied, PyBytes_AS_STRING(stream.chunk) + stream.chunk_offset, size)
            copied += size
            room -= size
            stream.chunk_offset += size
            if stream.chunk_offset == PyBytes_GET_SIZE(stream.chunk):
                stream.chunk = stream.chunks.popleft() if stream.chunks else None
                stream.chunk_offset = 0
                stream._queue(-MESSAGE_OVERHEAD)
        if stream.chunk is not None and stream.chunk_offset > HELD_READ_BYTES:
            if 2 * stream.chunk_offset > PyBytes_GET_SIZE(stream.chunk):
                # Who reads all but the last byte of each answer would have the others held, and uncounted.
                stream.chunk = stream.chunk[stream.chunk_offset:]
                stream.chunk_offset = 0
        stream.moved_at = session.now
        stream._queue(-copied)
        if stream.wants_room and stream.queued <= ROOM_BYTES:
            session._list(stream)
        if stream.chunk is None:
            if stream.finishing:
                flags[0] = DATA_EOF
                if not stream.is_client:
                    flags[0] |= DATA_NO_END_STREAM
                    if stream.last_trailers is None:
                        result = api.submit_trailer(native, stream_id, plain_trailers, 1)
                    else:
                        fields = _fields(NULL, 0, stream.last_trailers)
                        result = api.submit_trailer(native, stream_id, fields, len(stream.last_trailers))
                        free(fields)
                    if result != 0:
                        return ERR_TEMPORAL
            elif copied == 0:
                stream.deferred = True
                return ERR_DEFERRED
    except BaseException as error:
        return session._failed(error)
    return copied


# Header fields.

cdef nghttp2_nv plain_headers[3]
cdef nghttp2_nv plain_trailers[1]


cdef nghttp2_nv _field(const char *name, const char *value) noexcept:
    cdef nghttp2_nv field
    field.name = <uint8_t *>name
    field.namelen = strlen(name)
    field.value = <uint8_t *>value
    field.valuelen = strlen(value)
    field.flags = NV_NO_COPY
    return field


plain_headers[0] = _field(b":status", b"200")
plain_headers[1] = _field(b"content-type", b"application/grpc")
plain_headers[2] = _field(b"grpc-accept-encoding", b"identity,gzip")
plain_trailers[0] = _field(b"grpc-status", b"0")


cdef nghttp2_nv *_fields(nghttp2_nv *first, size_t count, list more) except NULL:
    """`first`, then the (name, value) of `more`, which must live until they are submitted (and then copied)."""
    cdef nghttp2_nv *fields = <nghttp2_nv *>malloc((count + len(more) + 1) * sizeof(nghttp2_nv))
    cdef size_t i = count
    cdef bytes name, value
    if fields == NULL:
        raise MemoryError
    if count:
        memcpy(fields, first, count * sizeof(nghttp2_nv))
    try:
        for name, value in more:
            if name is None or value is None:
                raise TypeError("a header's name and value are bytes")
            fields[i].name = <uint8_t *>PyBytes_AS_STRING(name)
            fields[i].namelen = PyBytes_GET_SIZE(name)
            fields[i].value = <uint8_t *>PyBytes_AS_STRING(value)
            fields[i].valuelen = PyBytes_GET_SIZE(value)
            fields[i].flags = 0
            i += 1
    except BaseException:
        free(fields)
        raise
    return fields
