/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "host/http_text.h"

/* Media types: by a file's name, and by how its content begins, after the WHATWG's "MIME Sniffing".
 * A real sandbox may know a few more names, from its own /etc/mime.types. */

typedef struct named {
  const char *suffix, *type;
} named_t;

static const named_t by_name[] = {
    {".ai", "application/postscript"},
    {".apk", "application/vnd.android.package-archive"},
    {".apng", "image/apng"},
    {".avif", "image/avif"},
    {".bin", "application/octet-stream"},
    {".bmp", "image/bmp"},
    {".com", "application/octet-stream"},
    {".css", "text/css; charset=utf-8"},
    {".csv", "text/csv; charset=utf-8"},
    {".doc", "application/msword"},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {".ehtml", "text/html; charset=utf-8"},
    {".eml", "message/rfc822"},
    {".eps", "application/postscript"},
    {".exe", "application/octet-stream"},
    {".flac", "audio/flac"},
    {".gif", "image/gif"},
    {".gz", "application/gzip"},
    {".htm", "text/html; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".ico", "image/vnd.microsoft.icon"},
    {".ics", "text/calendar; charset=utf-8"},
    {".jfif", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".jpg", "image/jpeg"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".m4a", "audio/mp4"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".mp3", "audio/mpeg"},
    {".mp4", "video/mp4"},
    {".oga", "audio/ogg"},
    {".ogg", "audio/ogg"},
    {".ogv", "video/ogg"},
    {".opus", "audio/ogg"},
    {".pdf", "application/pdf"},
    {".pjp", "image/jpeg"},
    {".pjpeg", "image/jpeg"},
    {".png", "image/png"},
    {".ppt", "application/vnd.ms-powerpoint"},
    {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {".ps", "application/postscript"},
    {".rdf", "application/rdf+xml"},
    {".rtf", "application/rtf"},
    {".shtml", "text/html; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".text", "text/plain; charset=utf-8"},
    {".tif", "image/tiff"},
    {".tiff", "image/tiff"},
    {".txt", "text/plain; charset=utf-8"},
    {".vtt", "text/vtt; charset=utf-8"},
    {".wasm", "application/wasm"},
    {".wav", "audio/wav"},
    {".webm", "audio/webm"},
    {".webp", "image/webp"},
    {".xbl", "text/xml; charset=utf-8"},
    {".xbm", "image/x-xbitmap"},
    {".xht", "application/xhtml+xml"},
    {".xhtml", "application/xhtml+xml"},
    {".xls", "application/vnd.ms-excel"},
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {".xml", "text/xml; charset=utf-8"},
    {".xsl", "text/xml; charset=utf-8"},
    {".zip", "application/zip"},
};

const char *e2b__host_type_by_name(const char *name) {
  const char *slash = strrchr(name, '/'), *dot = strrchr(slash != NULL ? slash : name, '.');
  for (size_t i = 0; dot != NULL && i < sizeof by_name / sizeof *by_name; i++)
    if (strcasecmp(dot, by_name[i].suffix) == 0) return by_name[i].type;
  return NULL;
}

/* ---- by content ---- */

/* `pattern` may skip bytes: those are '?'. */
typedef struct signature {
  const char *pattern;
  size_t len;
  const char *type;
} signature_t;

#define SIGNATURE(text, type) \
  { text, sizeof(text) - 1, type }

static const signature_t signatures[] = {
    SIGNATURE("%PDF-", "application/pdf"),
    SIGNATURE("%!PS-Adobe-", "application/postscript"),
    SIGNATURE("\xfe\xff??", "text/plain; charset=utf-16be"),
    SIGNATURE("\xff\xfe??", "text/plain; charset=utf-16le"),
    SIGNATURE("\xef\xbb\xbf?", "text/plain; charset=utf-8"),
    SIGNATURE("\0\0\1\0", "image/x-icon"),
    SIGNATURE("\0\0\2\0", "image/x-icon"),
    SIGNATURE("BM", "image/bmp"),
    SIGNATURE("GIF87a", "image/gif"),
    SIGNATURE("GIF89a", "image/gif"),
    SIGNATURE("RIFF????WEBPVP", "image/webp"),
    SIGNATURE("\x89PNG\r\n\x1a\n", "image/png"),
    SIGNATURE("\xff\xd8\xff", "image/jpeg"),
    SIGNATURE("FORM????AIFF", "audio/aiff"),
    SIGNATURE("ID3", "audio/mpeg"),
    SIGNATURE("OggS\0", "application/ogg"),
    SIGNATURE("MThd\0\0\0\6", "audio/midi"),
    SIGNATURE("RIFF????AVI ", "video/avi"),
    SIGNATURE("RIFF????WAVE", "audio/wave"),
    SIGNATURE("????ftypmp4", "video/mp4"),
    SIGNATURE("\x1a\x45\xdf\xa3", "video/webm"),
    SIGNATURE("??????????????????????????????????LP", "application/vnd.ms-fontobject"),
    SIGNATURE("\0\1\0\0", "font/ttf"),
    SIGNATURE("OTTO", "font/otf"),
    SIGNATURE("ttcf", "font/collection"),
    SIGNATURE("wOFF", "font/woff"),
    SIGNATURE("wOF2", "font/woff2"),
    SIGNATURE("\x1f\x8b\x08", "application/x-gzip"),
    SIGNATURE("PK\3\4", "application/zip"),
    SIGNATURE("Rar!\x1a\7\0", "application/x-rar-compressed"),
    SIGNATURE("Rar!\x1a\7\1\0", "application/x-rar-compressed"),
    SIGNATURE("\0asm", "application/wasm"),
};

static bool has_signature(const char *data, size_t len, const signature_t *signature) {
  if (len < signature->len) return false;
  for (size_t i = 0; i < signature->len; i++)
    if (signature->pattern[i] != '?' && signature->pattern[i] != data[i]) return false;
  return true;
}

/* A tag that HTML begins with, and the byte that ends its name. */
static bool is_html(const char *data, size_t len) {
  static const char *const tags[] = {"<!DOCTYPE HTML",
                                     "<HTML",
                                     "<HEAD",
                                     "<SCRIPT",
                                     "<IFRAME",
                                     "<H1",
                                     "<DIV",
                                     "<FONT",
                                     "<TABLE",
                                     "<A",
                                     "<STYLE",
                                     "<TITLE",
                                     "<B",
                                     "<BODY",
                                     "<BR",
                                     "<P",
                                     "<!--"};
  for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
    size_t tag = strlen(tags[i]);
    if (len > tag && strncasecmp(data, tags[i], tag) == 0 && (data[tag] == ' ' || data[tag] == '>'))
      return true;
  }
  return false;
}

static bool is_binary_byte(unsigned char c) {
  return c <= 8 || c == 11 || (c >= 14 && c <= 26) || (c >= 28 && c <= 31);
}

const char *e2b__host_type_by_content(const char *data, size_t len) {
  if (len > E2B__HOST_SNIFF) len = E2B__HOST_SNIFF;
  size_t blanks = 0;
  while (blanks < len && strchr("\t\n\f\r ", data[blanks]) != NULL && data[blanks] != '\0')
    blanks++;
  if (is_html(data + blanks, len - blanks)) return "text/html; charset=utf-8";
  if (len - blanks >= 5 && memcmp(data + blanks, "<?xml", 5) == 0) return "text/xml; charset=utf-8";
  for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
    if (has_signature(data, len, &signatures[i])) return signatures[i].type;
  for (size_t i = blanks; i < len; i++)
    if (is_binary_byte((unsigned char)data[i])) return "application/octet-stream";
  return "text/plain; charset=utf-8";
}
