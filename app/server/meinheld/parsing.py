"""Repairs of `http_parser.c`: where one request ends and the next begins (request smuggling)."""

from app.server.meinheld.repair import Cut, Repair, Replace

PARSER = "http_parser.c"
ENVIRONMENT = "http_request_parser.c"
REFUSE = """SET_ERRNO(HPE_INVALID_HEADER_TOKEN);
              goto error;"""
UNKNOWN = """parser->unknown_coding = 1;
              parser->header_state = h_general;"""

REPAIRS = (
    Repair(
        "case of Transfer-Encoding",
        "The name and the value of Transfer-Encoding are compared by case: `transfer-encoding: chunked` beside a "
        "Content-Length is ignored here and obeyed by a proxy, which smuggles a request.",
        "RFC 9110, 5.1; RFC 9112, 7",
        (
            Replace(
                PARSER, '#define TRANSFER_ENCODING "Transfer-Encoding"', '#define TRANSFER_ENCODING "transfer-encoding"'
            ),
            Replace(PARSER, "ch != TRANSFER_ENCODING[parser->index]", "c != TRANSFER_ENCODING[parser->index]"),
            Replace(PARSER, "ch != CHUNKED[parser->index]", "c != CHUNKED[parser->index]"),
        ),
    ),
    Repair(
        "transfer codings other than chunked",
        "Any other coding, a list of codings, a second Transfer-Encoding, an empty one, or one in an HTTP/1.0 request "
        "is ignored, so that the body is read as the next request. Which refusal they get, headers.h says.",
        "RFC 9112, 6.1",
        (
            Replace(
                "http_parser.h",
                "  unsigned char set_content_length;\n",
                "  unsigned char set_content_length;\n"
                "  unsigned char unknown_coding; /* the end of the body is not known */\n",
            ),
            Replace(
                PARSER,
                """              parser->header_state = h_matching_transfer_encoding_chunked;
            } else {
              parser->header_state = h_general;
            }""",
                f"""              parser->header_state = h_matching_transfer_encoding_chunked;
            }} else {{
              {UNKNOWN}
            }}
            if (parser->flags & F_CHUNKED) {{
              {REFUSE}
            }}""",
            ),
            Replace(
                PARSER,
                """                c != CHUNKED[parser->index]) {
              parser->header_state = h_general;""",
                f"""                c != CHUNKED[parser->index]) {{
              {UNKNOWN}""",
            ),
            Replace(
                PARSER,
                """          case h_transfer_encoding_chunked:
          case h_connection_keep_alive:""",
                f"""          case h_transfer_encoding_chunked:
            if (ch != ' ' && ch != '\\t') {{
              {UNKNOWN}
            }}
            break;
          case h_connection_keep_alive:""",
            ),
            Replace(
                PARSER,
                """          case h_transfer_encoding_chunked:
            parser->flags |= F_CHUNKED;
            break;
          default:""",
                """          case h_transfer_encoding_chunked:
            parser->flags |= F_CHUNKED;
            if (parser->http_major != 1 || parser->http_minor < 1) parser->unknown_coding = 1;
            break;
          case h_matching_transfer_encoding_chunked:
          case h_transfer_encoding:
            parser->unknown_coding = 1;
            break;
          default:""",
            ),
        ),
    ),
    Repair(
        "empty framing header",
        "An empty Transfer-Encoding or Content-Length counts as none.",
        "RFC 9112, 6.3",
        (
            Replace(
                PARSER,
                """        parser->index = 0;

        if (ch == CR) {
          parser->header_state = h_general;""",
                f"""        parser->index = 0;

        if (ch == CR && (parser->header_state == h_transfer_encoding || parser->header_state == h_content_length)) {{
          {REFUSE}
        }}

        if (ch == CR) {{
          parser->header_state = h_general;""",
            ),
        ),
    ),
    Repair(
        "folded lines",
        "A header line that begins with a blank continues the line before (obs-fold), which few others understand.",
        "RFC 9112, 5.2",
        (
            Replace(
                PARSER,
                """        if (ch == ' ' || ch == '\\t')
          parser->state = s_header_value_start;
        else {""",
                f"""        if (ch == ' ' || ch == '\\t') {{
          {REFUSE}
        }} else {{""",
            ),
        ),
    ),
    Repair(
        "line ends and NUL",
        "A bare LF ends a header line, a line without a colon is a header, NUL cuts a value short.",
        "RFC 9112, 2.2; RFC 9110, 5.5",
        (
            Replace(
                PARSER,
                """        if (ch == LF) {
          parser->state = s_header_almost_done;
          CALLBACK_DATA_NOADVANCE(header_value);
          goto reexecute_byte;
        }
""",
                f"""        if (ch == LF || ch == '\\0') {{
          {REFUSE}
        }}
""",
            ),
            Replace(
                PARSER,
                """        if (ch == LF) {
          parser->state = s_header_field_start;
          CALLBACK_DATA(header_value);
          break;
        }
""",
                f"""        if (ch == LF || ch == '\\0') {{
          {REFUSE}
        }}
""",
            ),
            Replace(
                PARSER,
                """        if (ch == CR) {
          parser->state = s_header_almost_done;
          CALLBACK_DATA(header_field);
          break;
        }

        if (ch == LF) {
          parser->state = s_header_field_start;
          CALLBACK_DATA(header_field);
          break;
        }

""",
                "",
            ),
            Replace(
                PARSER,
                """          /* they might be just sending \\n instead of \\r\\n so this would be
           * the second \\n to denote the end of headers*/
          parser->state = s_headers_almost_done;
          goto reexecute_byte;""",
                f"          {REFUSE}",
            ),
            Replace(
                PARSER,
                """        if (ch == LF) {
          parser->state = s_header_field_start;
          break;
        }

        /* XXX allow spaces after digit? */
""",
                "",
            ),
        ),
    ),
    Repair(
        "Content-Length of pipelined requests",
        "The mark that a Content-Length was seen is never taken back, so that the second of two pipelined requests "
        "with "
        "bodies is refused.",
        "by reading",
        (
            Replace(
                PARSER,
                """      case s_start_req: {
        if (ch == CR || ch == LF) break;
        parser->flags = 0;
""",
                """      case s_start_req: {
        if (ch == CR || ch == LF) break;
        parser->flags = 0;
        parser->set_content_length = 0;
        parser->unknown_coding = 0;
        parser->extension_bytes = 0;
""",
            ),
        ),
    ),
    Repair(
        "QUERY",
        "The parser does not know QUERY, a method that is safe and has a body, and answers 501 where 405 tells what is "
        "allowed.",
        "RFC 9110, 9.1 and 15.5.6",
        (
            Replace(
                "http_parser.h",
                "  XX(25, PURGE, PURGE)",
                "  XX(25, PURGE, PURGE)             \\\n  XX(26, QUERY, QUERY)",
            ),
            Replace(
                PARSER,
                "          case 'R':\n            parser->method = HTTP_REPORT;\n",
                "          case 'Q':\n            parser->method = HTTP_QUERY;\n            break;\n"
                "          case 'R':\n            parser->method = HTTP_REPORT;\n",
            ),
            Replace(
                ENVIRONMENT,
                "    case HTTP_PROPFIND:\n",
                "    case HTTP_QUERY:\n      obj = http_method_query;\n      break;\n    case HTTP_PROPFIND:\n",
            ),
            Replace(
                ENVIRONMENT,
                "static PyObject *http_method_propfind;\n",
                "static PyObject *http_method_propfind;\nstatic PyObject *http_method_query;\n",
            ),
            Replace(
                ENVIRONMENT,
                '  http_method_propfind = NATIVE_FROMSTRING("PROPFIND");\n',
                '  http_method_propfind = NATIVE_FROMSTRING("PROPFIND");\n'
                '  http_method_query = NATIVE_FROMSTRING("QUERY");\n',
            ),
            Replace(
                ENVIRONMENT,
                "  Py_DECREF(http_method_propfind);\n",
                "  Py_DECREF(http_method_propfind);\n  Py_DECREF(http_method_query);\n",
            ),
        ),
    ),
    Repair(
        "protocol upgrades",
        "CONNECT and every `Upgrade:` but websocket leave an exception pending that fails the next client's request or "
        "ends the worker; Java's client and `curl --http2` send `Upgrade: h2c`. We speak no other protocol, and a "
        "server may "
        "ignore the header.",
        "RFC 9110, 7.8",
        (
            Cut(
                PARSER,
                "        parser->upgrade =\n",
                "        /* Here we call the headers_complete callback.",
                "        parser->upgrade = 0;\n\n",
            ),
        ),
    ),
    Repair(
        "bytes after the last request",
        "Whatever follows a request with `Connection: close` makes that request a bad one.",
        "RFC 9112, 9.6",
        (
            Cut(
                PARSER,
                "        /* this state is used after a 'Connection: close' message\n",
                "      case s_start_req_or_res: {",
                "        return len;\n\n",
            ),
        ),
    ),
)
