/* Which requests may be answered from what is kept: a strict subset of those that the parser accepts.
 *
 * Every other request goes to the parser with the same bytes, so that nothing is accepted here that it would refuse.
 * There must be SCAN_PADDING bytes of zeros after the bytes that are scanned.
 */

#include <stdint.h>

#define SCAN_PADDING 16
#define SCAN_BYTES_MOST 8192 /* of one request; also the parser's limit of one header */
#define SCAN_NAME_MOST 32
#define SCAN_FORWARDED_MOST 512

enum { VARY_ACCEPT, VARY_ENCODING, VARY_LANGUAGE, VARY_TAG, VARY_ORIGIN, VARY_COUNT };

typedef struct {
  const char *at;
  uint32_t length; /* at is NULL without the header */
} span;

typedef struct {
  span target, token;     /* the bytes as they were sent; token: all of Authorization */
  span forwarded;         /* X-Forwarded-For, which may name the client */
  span vary[VARY_COUNT];  /* headers on which an answer may depend: part of its key, by their exact bytes */
  span id, trace;         /* sent back as they are */
} scanned;

enum { TAKE_IGNORED, TAKE_HOST, TAKE_CONNECTION, TAKE_TOKEN, TAKE_FORWARDED, TAKE_ID, TAKE_TRACE, TAKE_VARY };

/* All headers that are allowed. The application reads none of those that are ignored, which browsers and proxies send;
 * a client's network is told apart by X-Forwarded-For alone. */
#define IGNORED(name) {name, TAKE_IGNORED, 0}
static const struct {
  const char *name;
  uint8_t take, which;
} scan_names[] = {
    {"host", TAKE_HOST, 0},
    {"authorization", TAKE_TOKEN, 0},
    {"connection", TAKE_CONNECTION, 0},
    {"x-forwarded-for", TAKE_FORWARDED, 0},
    {"x-request-id", TAKE_ID, 0},
    {"traceparent", TAKE_TRACE, 0},
    {"accept", TAKE_VARY, VARY_ACCEPT},
    {"accept-encoding", TAKE_VARY, VARY_ENCODING},
    {"accept-language", TAKE_VARY, VARY_LANGUAGE},
    {"if-none-match", TAKE_VARY, VARY_TAG},
    {"origin", TAKE_VARY, VARY_ORIGIN},
    /* browsers */
    IGNORED("cache-control"), IGNORED("cookie"), IGNORED("dnt"), IGNORED("pragma"), IGNORED("priority"),
    IGNORED("purpose"), IGNORED("referer"), IGNORED("save-data"), IGNORED("sec-ch-ua"), IGNORED("sec-ch-ua-mobile"),
    IGNORED("sec-ch-ua-platform"), IGNORED("sec-fetch-dest"), IGNORED("sec-fetch-mode"), IGNORED("sec-fetch-site"),
    IGNORED("sec-fetch-storage-access"), IGNORED("sec-fetch-user"), IGNORED("sec-gpc"), IGNORED("sec-purpose"),
    IGNORED("te"), IGNORED("upgrade-insecure-requests"), IGNORED("user-agent"), IGNORED("x-requested-with"),
    /* proxies and load balancers */
    IGNORED("cdn-loop"), IGNORED("cf-connecting-ip"), IGNORED("cf-ipcountry"), IGNORED("cf-ray"), IGNORED("cf-visitor"),
    IGNORED("forwarded"), IGNORED("via"), IGNORED("x-amzn-trace-id"), IGNORED("x-envoy-attempt-count"),
    IGNORED("x-envoy-expected-rq-timeout-ms"), IGNORED("x-envoy-external-address"), IGNORED("x-envoy-internal"),
    IGNORED("x-forwarded-client-cert"), IGNORED("x-forwarded-host"), IGNORED("x-forwarded-port"),
    IGNORED("x-forwarded-proto"), IGNORED("x-forwarded-scheme"), IGNORED("x-forwarded-server"),
    IGNORED("x-original-forwarded-for"), IGNORED("x-real-ip"), IGNORED("x-scheme"),
    /* tracing */
    IGNORED("b3"), IGNORED("baggage"), IGNORED("tracestate"), IGNORED("x-b3-parentspanid"), IGNORED("x-b3-sampled"),
    IGNORED("x-b3-spanid"), IGNORED("x-b3-traceid"), IGNORED("x-cloud-trace-context"),
};
#define SCAN_NAMES ((int)(sizeof(scan_names) / sizeof(scan_names[0])))
_Static_assert(SCAN_NAMES <= 64, "each has a bit of those seen");

/* Chains of the names with the same length: places in `scan_names` counted from 1. */
static uint8_t scan_first[SCAN_NAME_MOST], scan_next[SCAN_NAMES];

static void scan_prepare(void) {
  int i;
  memset(scan_first, 0, sizeof(scan_first));
  for (i = SCAN_NAMES; i > 0; i--) {
    uint8_t *first = &scan_first[strlen(scan_names[i - 1].name)];
    scan_next[i - 1] = *first, *first = (uint8_t)i;
  }
}

/* Lower case of the letters, digits and hyphens of names; 0 for every other byte, also for a carriage return. */
static const uint8_t scan_lower[256] = {
    ['-'] = '-', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm',
    ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',
    ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c',
    ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',
    ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's',
    ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
};

/* The first byte that is not printable ASCII, at the latest the first of the padding. */
static const char *end_of_text(const char *s) {
  const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
  for (;; s += 8) { /* eight bytes at a time: one is 127 or more, or below 32 */
    uint64_t x;
    memcpy(&x, s, 8);
    if ((x | (x + ones) | (x - ones * 0x20)) & tops) break;
  }
  while (*s >= 0x20 && *s < 0x7f) s++;
  return s;
}

/* The header of this name, -1 for none; `most` bytes may be read. */
static int scan_name(const char *s, size_t most, size_t *length) {
  char name[SCAN_NAME_MOST];
  size_t n = 0;
  int i;
  for (; n < most && s[n] != ':'; n++) {
    if (n == sizeof(name) - 1 || (name[n] = (char)scan_lower[(uint8_t)s[n]]) == 0) return -1;
  }
  if (n == most) return -1;
  *length = n;
  for (i = scan_first[n]; i > 0; i = scan_next[i - 1]) {
    if (memcmp(scan_names[i - 1].name, name, n) == 0) return i - 1;
  }
  return -1;
}

/* A name or an IPv4 address with or without a port: a strict subset of what headers.h accepts. */
static int is_plain_host(span host) {
  uint32_t i, digits = 0, colon = 0;
  for (i = 0; i < host.length; i++) {
    char c = host.at[i];
    if (colon) {
      if (c < '0' || c > '9') return 0;
      digits++;
    } else if (c == ':' && i > 0) {
      colon = 1;
    } else if (!scan_lower[(uint8_t)c] && c != '.') {
      return 0;
    }
  }
  return host.length > 0 && (!colon || digits > 0);
}

/* As app/web/middleware.py accepts a request id; it makes one where the client's is not well-formed. */
static int is_request_id(span id) {
  uint32_t i;
  for (i = 0; i < id.length; i++) {
    if (!scan_lower[(uint8_t)id.at[i]] && id.at[i] != '.' && id.at[i] != '_') return 0;
  }
  return id.length > 0 && id.length <= 128;
}

static int is_traceparent(span trace) {
  uint32_t i;
  if (trace.length != 55) return 0;
  for (i = 0; i < 55; i++) {
    char c = trace.at[i];
    if (i == 2 || i == 35 || i == 52 ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return 0;
  }
  return 1;
}

static int take_header(scanned *r, int which, span value) {
  switch (scan_names[which].take) {
    case TAKE_HOST:
      return is_plain_host(value);
    case TAKE_CONNECTION:
      return value.length == 10 && strncasecmp(value.at, "keep-alive", 10) == 0;
    case TAKE_TOKEN:
      r->token = value;
      return value.length > 0;
    case TAKE_FORWARDED:
      r->forwarded = value;
      return value.length <= SCAN_FORWARDED_MOST;
    case TAKE_ID:
      r->id = value;
      return is_request_id(value);
    case TAKE_TRACE:
      r->trace = value;
      return is_traceparent(value);
    case TAKE_VARY:
      r->vary[scan_names[which].which] = value;
  }
  return 1;
}

/* The length of the request line, 0 where it is not a plain GET of an HTTP/1.1 path. */
static size_t scan_line(const char *s, const char *end, scanned *r) {
  const char *stop;
  if (end - s < 16 || memcmp(s, "GET /", 5) != 0) return 0;
  stop = end_of_text(s);
  if (stop + 2 > end || stop[0] != '\r' || stop[1] != '\n' || stop - s < 14) return 0;
  if (memcmp(stop - 9, " HTTP/1.1", 9) != 0) return 0;
  r->target.at = s + 4;
  r->target.length = (uint32_t)(stop - 9 - r->target.at);
  if (memchr(r->target.at, ' ', r->target.length) || memchr(r->target.at, '#', r->target.length)) return 0;
  return (size_t)(stop + 2 - s);
}

/* The length of a request that is complete and may be answered from what is kept; 0 for every other. */
static size_t scan_request(const char *s, const char *end, scanned *r) {
  const char *start = s;
  uint64_t seen = 0;
  memset(r, 0, sizeof(*r));
  s += scan_line(s, end, r);
  if (s == start) return 0;
  while (s < end && *s != '\r') {
    span value;
    size_t length;
    int which = scan_name(s, (size_t)(end - s), &length);
    const char *stop;
    if (which < 0 || seen & 1ull << which) return 0; /* also where one is sent twice */
    seen |= 1ull << which;
    for (s += length + 1; s < end && *s == ' '; s++) {
    }
    stop = end_of_text(s);
    if (stop + 2 > end || stop[0] != '\r' || stop[1] != '\n') return 0;
    value.at = s;
    s = stop + 2;
    while (stop > value.at && stop[-1] == ' ') stop--;
    value.length = (uint32_t)(stop - value.at);
    if (!take_header(r, which, value)) return 0;
  }
  if (end - s < 2 || s[1] != '\n' || !(seen & 1)) return 0; /* the first name is Host */
  s += 2;
  return s - start > SCAN_BYTES_MOST ? 0 : (size_t)(s - start);
}
