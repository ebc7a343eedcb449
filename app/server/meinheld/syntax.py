"""Repairs of `http_parser.c`: what is no HTTP/1.1 is refused, with the status that says why."""

from app.server.meinheld.repair import Cut, Repair, Replace

PARSER, HEADER = "http_parser.c", "http_parser.h"

OTHER_METHOD = """/* Another method that begins like the one that was taken for it. */
static int other_method(http_parser *parser, char ch) {
  static const struct {
    unsigned char method, index;
    char ch;
    unsigned char other;
  } others[] = {
      {HTTP_CONNECT, 1, 'H', HTTP_CHECKOUT},   {HTTP_CONNECT, 2, 'P', HTTP_COPY},
      {HTTP_MKCOL, 1, 'O', HTTP_MOVE},         {HTTP_MKCOL, 1, 'E', HTTP_MERGE},
      {HTTP_MKCOL, 2, 'A', HTTP_MKACTIVITY},   {HTTP_SUBSCRIBE, 1, 'E', HTTP_SEARCH},
      {HTTP_POST, 1, 'R', HTTP_PROPFIND},      {HTTP_POST, 1, 'U', HTTP_PUT},
      {HTTP_POST, 1, 'A', HTTP_PATCH},         {HTTP_PUT, 2, 'R', HTTP_PURGE},
      {HTTP_UNLOCK, 2, 'S', HTTP_UNSUBSCRIBE}, {HTTP_PROPFIND, 4, 'P', HTTP_PROPPATCH},
  };
  size_t i;
  for (i = 0; i < ARRAY_SIZE(others); i++) {
    if (others[i].method == parser->method && others[i].index == parser->index && others[i].ch == ch) {
      parser->method = others[i].other;
      return 1;
    }
  }
  return 0;
}

size_t http_parser_execute("""

METHOD = """      case s_req_method: {
        const char *matcher = method_strings[parser->method];
        if (ch == ' ' && matcher[parser->index] == '\\0') {
          parser->state = s_req_spaces_before_url;
        } else if (ch == '\\0' || (ch != matcher[parser->index] && !other_method(parser, ch))) {
          parser->state = s_req_unknown_method;
          goto reexecute_byte;
        }
        ++parser->index;
        break;
      }

      case s_req_unknown_method:
        if (TOKEN(ch)) break;
        SET_ERRNO(ch == ' ' ? HPE_INVALID_METHOD : HPE_INVALID_CONSTANT);
        goto error;

"""

CHUNK_EXTENSION = """          if (ch == ';' || ch == ' ') {
            parser->state = s_chunk_parameters;
            break;
          }
"""

BLANKS = """          if (ch == ';' || ch == ' ' || ch == '\\t') {
            parser->state = ch == ';' ? s_chunk_parameters : s_chunk_blanks;
            break;
          }
"""

EXTENSION = """        /* just ignore this shit. TODO check for overflow */
"""

BOUNDED_EXTENSION = """        if (ch == LF || ch == '\\0') {
          SET_ERRNO(HPE_INVALID_CHUNK_SIZE);
          goto error;
        }
        if (++parser->extension_bytes > EXTENSION_BYTES_MOST) {
          SET_ERRNO(HPE_HEADER_OVERFLOW);
          goto error;
        }
"""

REPAIRS = (
    Repair(
        "methods",
        "The third letter of most methods is not compared (GEX is GET), and an unknown method is a bad request, where "
        "501 tells the client what is wrong.",
        "RFC 9110, 9.1",
        (
            Replace(PARSER, "  s_req_method,\n", "  s_req_method,\n  s_req_unknown_method,\n"),
            Replace(PARSER, "size_t http_parser_execute(", OTHER_METHOD),
            Cut(PARSER, "      case s_req_method: {\n", "      case s_req_spaces_before_url: {\n", METHOD),
            Replace(
                PARSER,
                "        if (!IS_ALPHA(ch)) {\n          SET_ERRNO(HPE_INVALID_METHOD);\n",
                "        if (!TOKEN(ch)) {\n          SET_ERRNO(HPE_INVALID_CONSTANT);\n",
            ),
            Replace(
                PARSER,
                """            parser->method = HTTP_UNLOCK; /* or UNSUBSCRIBE */
            break;
          default:
            SET_ERRNO(HPE_INVALID_METHOD);
            goto error;
        }
        parser->state = s_req_method;
""",
                """            parser->method = HTTP_UNLOCK; /* or UNSUBSCRIBE */
            break;
          default:
            parser->state = s_req_unknown_method;
        }
        if (parser->state != s_req_unknown_method) parser->state = s_req_method;
""",
            ),
        ),
    ),
    Repair(
        "versions",
        "A request line without a version waits for headers as if it were one of HTTP/1.x, and versions have any "
        "number of digits.",
        "RFC 9112, 2.3 and 3",
        (
            Cut(
                PARSER,
                "            parser->http_major = 0;\n            parser->http_minor = 9;\n"
                "            parser->state =\n",
                "          default:\n            parser->state = parse_url_char(",
                "            SET_ERRNO(HPE_INVALID_VERSION);\n            goto error;\n",
            ),
            Replace(PARSER, "parser->http_major > 999", "parser->http_major > 9", 2),
            Cut(
                PARSER,
                "          parser->state = s_req_line_almost_done;\n",
                "      /* end of request line */\n",
                "          parser->state = s_req_line_almost_done;\n          break;\n        }\n"
                "        SET_ERRNO(HPE_INVALID_VERSION);\n        goto error;\n      }\n\n",
            ),
        ),
    ),
    Repair(
        "chunk sizes",
        "Bytes above 127 count as the digit 0, whatever follows a blank is an extension, an extension may hold a bare "
        "LF and is of any length.",
        "RFC 9112, 7.1 and 7.1.1",
        (
            Replace(
                HEADER,
                "  uint64_t content_length; /* # bytes",
                "  uint32_t extension_bytes; /* of all chunks so far */\n  uint64_t content_length; /* # bytes",
            ),
            Replace(
                PARSER,
                "unhex_val = unhex[(unsigned char)ch];",
                "unhex_val = (unsigned char)ch < 128 ? unhex[(unsigned char)ch] : -1;",
                2,
            ),
            Replace(PARSER, "  s_chunk_parameters,\n", "  s_chunk_blanks,\n  s_chunk_parameters,\n"),
            Replace(PARSER, CHUNK_EXTENSION, BLANKS),
            Replace(
                PARSER,
                "      case s_chunk_parameters: {\n",
                "      case s_chunk_blanks:\n        if (ch == ' ' || ch == '\\t') break;\n        if (ch != ';') {\n"
                "          SET_ERRNO(HPE_INVALID_CHUNK_SIZE);\n          goto error;\n        }\n"
                "        parser->state = s_chunk_parameters;\n        break;\n\n      case s_chunk_parameters: {\n",
            ),
            Replace(PARSER, EXTENSION, BOUNDED_EXTENSION),
            Replace(PARSER, "#define CR '\\r'\n", "#define EXTENSION_BYTES_MOST (16 * 1024)\n#define CR '\\r'\n"),
        ),
    ),
    Repair(
        "trailers that look like headers",
        "A Content-Length, Transfer-Encoding or Connection in the trailers changes how the connection goes on.",
        "RFC 9110, 6.5.1",
        (
            Replace(
                PARSER,
                """          default:
            parser->header_state = h_general;
            break;
        }
        break;
      }

      case s_header_field: {
""",
                """          default:
            parser->header_state = h_general;
            break;
        }
        if (parser->flags & F_TRAILING) parser->header_state = h_general;
        break;
      }

      case s_header_field: {
""",
            ),
        ),
    ),
    Repair(
        "options of a connection",
        "In HTTP/1.0 `close` loses to `keep-alive`, and Proxy-Connection, which is no header of any RFC, counts as "
        "Connection.",
        "RFC 9112, 9.3 and C.2.2",
        (
            Replace(
                PARSER,
                "    if (!(parser->flags & F_CONNECTION_KEEP_ALIVE)) {\n",
                "    if (!(parser->flags & F_CONNECTION_KEEP_ALIVE) || parser->flags & F_CONNECTION_CLOSE) {\n",
            ),
            Replace(
                PARSER,
                "            parser->header_state = h_matching_proxy_connection;\n",
                "            parser->header_state = h_general;\n",
            ),
        ),
    ),
    Repair(
        "blanks around a length",
        "A tab after a Content-Length makes it a bad one.",
        "RFC 9110, 5.6.3",
        (Replace(PARSER, "            if (ch == ' ') break;\n", "            if (ch == ' ' || ch == '\\t') break;\n"),),
    ),
)
