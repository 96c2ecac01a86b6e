# cython: language_level=3, boundscheck=False, wraparound=False
"""Unary calls of a load generator: one HTTP/2 connection on which a call costs little more than its bytes.

A load generator shares its machine with what it measures, and in overload it makes most of the work: what a call costs
here is taken from the goodput. So, unlike the session of _http2, it does only what load needs:

(a) *Header blocks are made once.* All requests have the same headers. They come ready from an HPACK encoder: for the
    first request of the connection, which puts them in the server's dynamic table, and for all others.
(b) *Header blocks are read once.* What a block means depends on the dynamic table of the server's encoder, and that
    changes only by blocks that add to it. So those that add nothing are known by their bytes, until the next one
    that does; `answers` has the decoder, and is asked only about blocks that are not known. Of a message the first
    byte is kept.
(c) *A call is a few bytes in an array*, found by the number of its stream; no object, no callback, no timer.
(d) *To begin a call sends nothing*; `flush` does, and `receive` and `expire`: calls begun together leave in one write.

It keeps to what the server allows: streams at once, and flow control windows; calls beyond that wait here, and their
time runs. A request is one frame: it waits until the window that its stream begins with holds all of it. What only a
broken server sends raises ValueError.
"""

from collections import deque

from cpython.array cimport array, extend_buffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from "sys/socket.h":
    ssize_t c_send "send"(int, const void *, size_t, int)
    ssize_t c_recv "recv"(int, void *, size_t, int)
    int MSG_NOSIGNAL

cdef enum:
    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9

    END_STREAM = 1  # and ACK
    END_HEADERS = 4
    PADDED = 8
    PRIORITY = 32

    HEADER_TABLE_SIZE = 1
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4

    CANCEL = 8

    FRAME_HEADER = 9
    MESSAGE_HEADER = 5  # of gRPC: a flag, and four bytes of length
    MAX_FRAME = 16384  # that either side may send; neither is told another
    INPUT = 1 << 18
    DEFAULT_WINDOW = 65535
    WIDE_WINDOW = (1 << 31) - 1
    REFILL = 1 << 28  # received since the server was told of room
    ANSWER_WINDOW = 1 << 24  # longer answers than that would never end
    BEFORE_SETTINGS = 100  # streams at once, until the server has said how many

MAX_MESSAGE_BYTES = MAX_FRAME - MESSAGE_HEADER


cdef struct Call:
    double due
    uint32_t received  # bytes of the answer, with its five of gRPC's
    uint8_t first  # of the message
    bint open


cdef double _now() noexcept:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return at.tv_sec + at.tv_nsec * 1e-9


cdef inline uint32_t _number(const uint8_t *at) noexcept:
    return (<uint32_t>at[0] << 24) | (<uint32_t>at[1] << 16) | (<uint32_t>at[2] << 8) | at[3]


cdef inline void _put(uint8_t *at, uint32_t number) noexcept:
    at[0], at[1], at[2], at[3] = number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255


cdef class LoadConnection:
    """Calls over a connected socket that does not block, which stays the caller's.

    first, block: the headers of the first request and of every other, compressed. answers: what tells outcomes, as
    small numbers: `read(block, whether it ends the answer)`, `reset(error code)`, `expired()`, `lost()` and, where a
    good end came without a message, `missing()`. A block that means that the message tells the outcome has the number
    -1; then it is that of the message's first byte in `answers.of_first_byte`, 256 bytes. Two dicts have the numbers of
    blocks that need no reading: `known_begins` and, where they end the answer, `known_ends`.

    Of the calls that have ended since `start`, in that order, arrays tell: due (seconds since the `began` that it was
    given, on the monotonic clock), latency (seconds, from then), outcome.
    """

    cdef readonly array due, latency, outcome
    cdef readonly int under_way  # calls that have not ended, those that wait here among them
    cdef readonly bint is_lost
    cdef readonly bint settled  # the server has said what it allows

    cdef int _descriptor
    cdef bytes _first, _block
    cdef object _answers
    cdef bytes _of_first_byte
    cdef dict _known_begins, _known_ends
    cdef object _waiting  # (message, due) of calls beyond what the server allows
    cdef double _began
    cdef Call *_calls
    cdef uint32_t _count, _capacity, _oldest, _streams, _max_streams
    cdef int64_t _window, _stream_window, _unacknowledged
    cdef bint _leaving  # the server takes no more calls
    cdef uint8_t *_output
    cdef size_t _output_size, _output_capacity
    cdef uint8_t *_input
    cdef size_t _input_size

    def __cinit__(self, int descriptor, bytes first not None, bytes block not None, answers):
        self._descriptor = descriptor
        self._first, self._block = first, block
        self._answers, self._of_first_byte = answers, answers.of_first_byte
        self._known_begins, self._known_ends = answers.known_begins, answers.known_ends
        if len(self._of_first_byte) != 256:
            raise ValueError("answers.of_first_byte has not an outcome for every byte")
        self._waiting = deque()
        self._max_streams = BEFORE_SETTINGS
        self._window = self._stream_window = DEFAULT_WINDOW
        self._input = <uint8_t *>realloc(NULL, INPUT)
        if self._input == NULL:
            raise MemoryError
        self.start(0)
        self._append(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        cdef uint8_t *at = self._frame(6, SETTINGS, 0, 0)
        at[0], at[1] = 0, INITIAL_WINDOW_SIZE
        _put(at + 2, ANSWER_WINDOW)
        _put(self._frame(4, WINDOW_UPDATE, 0, 0), WIDE_WINDOW - DEFAULT_WINDOW)

    def __dealloc__(self):
        free(self._calls)
        free(self._output)
        free(self._input)

    def start(self, double began):
        """Forgets the calls that have ended; `due` and `now` count from `began` from now on."""
        self._began = began
        self.due, self.latency, self.outcome = array("d"), array("d"), array("b")

    def begin(self, bytes message not None, double due):
        """Begins a call that was due then."""
        if PyBytes_GET_SIZE(message) > MAX_FRAME - MESSAGE_HEADER:
            raise ValueError(f"a request of {len(message)} bytes; at most {MAX_MESSAGE_BYTES} fit in a frame")
        self.under_way += 1
        if self.is_lost or self._leaving:
            self._note(due, self._answers.lost())
        elif self._waiting or not self._send(message, due):
            self._waiting.append((message, due))

    def flush(self):
        """Sends what the socket takes."""
        cdef size_t sent = 0
        cdef ssize_t taken
        while sent < self._output_size and not self.is_lost:
            taken = c_send(self._descriptor, self._output + sent, self._output_size - sent, MSG_NOSIGNAL)
            if taken >= 0:
                sent += taken
            elif errno == EAGAIN:
                break
            elif errno != EINTR:
                self._lose()
        memmove(self._output, self._output + sent, self._output_size - sent)
        self._output_size -= sent

    def receive(self):
        """Reads what has come, and sends what that asks for; how many calls have ended."""
        cdef int before = self.under_way
        cdef ssize_t taken
        while not self.is_lost:
            taken = c_recv(self._descriptor, self._input + self._input_size, INPUT - self._input_size, 0)
            if taken > 0:
                self._input_size += taken
                self._read()
                if <size_t>taken < INPUT // 2:
                    break
            elif taken < 0 and errno == EAGAIN:
                break
            elif taken == 0 or errno != EINTR:
                self._lose()
        self._send_waiting()
        self.flush()
        return before - self.under_way

    def expire(self, double before):
        """Ends calls that were due before that time: nobody waits for them any longer. Others have their places.

        How many those are.
        """
        cdef int under_way_before = self.under_way
        while self._oldest < self._count and (
            not self._calls[self._oldest].open or self._calls[self._oldest].due < before
        ):
            if self._calls[self._oldest].open:
                _put(self._frame(4, RST_STREAM, 0, 2 * self._oldest + 1), CANCEL)
                self._end(&self._calls[self._oldest], self._answers.expired())
            self._oldest += 1
        while self._waiting and self._waiting[0][1] < before:
            self._note(self._waiting.popleft()[1], self._answers.expired())
        self._send_waiting()
        self.flush()
        return under_way_before - self.under_way

    cdef int _send_waiting(self) except -1:
        while self._waiting:
            message, due = self._waiting[0]
            if not self._send(message, due):
                break
            self._waiting.popleft()
        return 0

    cdef bint _send(self, bytes message, double due) except -1:
        """Begins a call, if the server allows another one now."""
        cdef uint32_t size = PyBytes_GET_SIZE(message) + MESSAGE_HEADER
        cdef uint32_t stream = 2 * self._count + 1
        cdef bytes block = self._block if self._count else self._first
        cdef uint8_t *at
        if self._streams >= self._max_streams or size > self._window or size > self._stream_window:
            return False
        if self._count == self._capacity:
            self._capacity = max(1024, 2 * self._capacity)
            self._calls = <Call *>_resized(self._calls, self._capacity * sizeof(Call))
        self._calls[self._count] = Call(due, 0, 0, True)
        self._count += 1
        self._streams += 1
        self._window -= size
        at = self._frame(PyBytes_GET_SIZE(block), HEADERS, END_HEADERS, stream)
        memcpy(at, PyBytes_AS_STRING(block), PyBytes_GET_SIZE(block))
        at = self._frame(size, DATA, END_STREAM, stream)
        at[0] = 0
        _put(at + 1, size - MESSAGE_HEADER)
        memcpy(at + MESSAGE_HEADER, PyBytes_AS_STRING(message), size - MESSAGE_HEADER)
        return True

    cdef int _append(self, bytes content) except -1:
        memcpy(self._room(PyBytes_GET_SIZE(content)), PyBytes_AS_STRING(content), PyBytes_GET_SIZE(content))
        return 0

    cdef uint8_t *_frame(self, uint32_t length, uint8_t kind, uint8_t flags, uint32_t stream) except NULL:
        """Where the payload of a new frame belongs; it is to be filled before the next one."""
        cdef uint8_t *at = self._room(FRAME_HEADER + length)
        _put(at, length << 8 | kind)
        at[4] = flags
        _put(at + 5, stream)
        return at + FRAME_HEADER

    cdef uint8_t *_room(self, size_t size) except NULL:
        cdef size_t begin = self._output_size
        if begin + size > self._output_capacity:
            self._output_capacity = 2 * (begin + size)
            self._output = <uint8_t *>_resized(self._output, self._output_capacity)
        self._output_size += size
        return self._output + begin

    cdef int _read(self) except -1:
        """Takes the complete frames."""
        cdef size_t at = 0
        cdef uint32_t length
        cdef uint8_t *frame
        while self._input_size - at >= FRAME_HEADER:
            frame = self._input + at
            if not self.settled and frame[3] != SETTINGS:
                raise ValueError("the server does not begin with its settings, as HTTP/2 has it")
            length = _number(frame) >> 8
            if length > MAX_FRAME:
                raise ValueError(f"a frame of {length} bytes; the server may send {MAX_FRAME}")
            if self._input_size - at < FRAME_HEADER + length:
                break
            self._take(frame[3], frame[4], _number(frame + 5) & WIDE_WINDOW, frame + FRAME_HEADER, length)
            at += FRAME_HEADER + length
        memmove(self._input, self._input + at, self._input_size - at)
        self._input_size -= at
        return 0

    cdef int _take(self, uint8_t kind, uint8_t flags, uint32_t stream, const uint8_t *payload,
                   uint32_t length) except -1:
        cdef Call *call = NULL
        if (
            ((kind == RST_STREAM or kind == WINDOW_UPDATE) and length != 4)
            or (kind == SETTINGS and length % 6)
            or (kind == GOAWAY and length < 8)
        ):
            raise ValueError(f"a frame of kind {kind} with {length} bytes")
        if kind == DATA or kind == HEADERS or kind == RST_STREAM:
            if stream % 2 == 0 or stream // 2 >= self._count:
                raise ValueError(f"a frame of kind {kind} on stream {stream}, which was not begun")
            call = &self._calls[stream // 2]
        if kind == DATA:
            self._unacknowledged += length
            if self._unacknowledged >= REFILL:
                _put(self._frame(4, WINDOW_UPDATE, 0, 0), <uint32_t>self._unacknowledged)
                self._unacknowledged = 0
            if flags & PADDED:
                raise ValueError("padded DATA, which no gRPC server sends")
            if call.received <= MESSAGE_HEADER < call.received + length:
                call.first = payload[MESSAGE_HEADER - call.received]
            call.received += length
            if flags & END_STREAM and call.open:  # no gRPC server ends without trailers
                self._end(call, self._answers.read(b"", True))
        elif kind == HEADERS:
            if flags & (PADDED | PRIORITY) or not flags & END_HEADERS:
                raise ValueError(f"HEADERS with the flags {flags}, which no gRPC server needs")
            self._read_headers(call, payload, length, flags & END_STREAM)
        elif kind == RST_STREAM:
            if call.open:  # else: it has answered before it has read all, and wants no more of it
                self._end(call, self._answers.reset(_number(payload)))
        elif kind == SETTINGS:
            if not flags & END_STREAM:
                self._allow(payload, length)
                self._frame(0, SETTINGS, END_STREAM, 0)
        elif kind == PING:
            if not flags & END_STREAM:
                memcpy(self._frame(length, PING, END_STREAM, 0), payload, length)
        elif kind == WINDOW_UPDATE:
            if stream == 0:  # a request is one frame, which fits in the window that its stream begins with
                self._window += _number(payload)
        elif kind == GOAWAY:
            self._leaving = True  # calls up to the stream that it names may still end, and then the server closes
            self._lose_from(((_number(payload) & WIDE_WINDOW) + 1) // 2)
        elif kind == PUSH_PROMISE or kind == CONTINUATION:
            raise ValueError(f"a frame of kind {kind}, which no gRPC server needs")
        return 0

    cdef int _allow(self, const uint8_t *payload, uint32_t length) except -1:
        cdef uint32_t at, value
        self._max_streams = WIDE_WINDOW if not self.settled else self._max_streams
        self.settled = True
        for at in range(0, length, 6):
            value = _number(payload + at + 2)
            if payload[at + 1] == MAX_CONCURRENT_STREAMS:
                self._max_streams = value
            elif payload[at + 1] == INITIAL_WINDOW_SIZE:
                self._stream_window = value
            elif payload[at + 1] == HEADER_TABLE_SIZE and value < 4096:
                raise ValueError(f"a header table of {value} bytes; requests' headers are made for one of 4096")
        return 0

    cdef int _read_headers(self, Call *call, const uint8_t *content, uint32_t length, bint ends) except -1:
        cdef bytes block = PyBytes_FromStringAndSize(<const char *>content, length)
        cdef bint tells = ends and call.open  # not of a call that was given up
        known = (self._known_ends if tells else self._known_begins).get(block)
        cdef int outcome = self._answers.read(block, tells) if known is None else known
        if not tells:
            return 0
        if outcome == -1 and call.received < MESSAGE_HEADER:
            outcome = self._answers.missing()
        elif outcome == -1:
            outcome = <uint8_t>self._of_first_byte[call.first]
        return self._end(call, outcome)

    cdef int _end(self, Call *call, int outcome) except -1:
        call.open = False
        self._streams -= 1
        return self._note(call.due, outcome)

    cdef int _note(self, double due, int8_t outcome) except -1:
        cdef double latency = _now() - self._began - due
        self.under_way -= 1
        extend_buffer(self.due, <char *>&due, 1)
        extend_buffer(self.latency, <char *>&latency, 1)
        extend_buffer(self.outcome, <char *>&outcome, 1)
        return 0

    cdef int _lose(self) except -1:
        """The connection has ended, and so have all its calls."""
        self.is_lost = True
        return self._lose_from(0)

    cdef int _lose_from(self, uint32_t first) except -1:
        """Calls from that one on are not answered any more, nor are those that wait."""
        cdef uint32_t index
        for index in range(max(first, self._oldest), self._count):
            if self._calls[index].open:
                self._end(&self._calls[index], self._answers.lost())
        while self._waiting:
            self._note(self._waiting.popleft()[1], self._answers.lost())
        return 0


cdef void *_resized(void *memory, size_t size) except NULL:
    memory = realloc(memory, size)
    if memory == NULL:
        raise MemoryError
    return memory
