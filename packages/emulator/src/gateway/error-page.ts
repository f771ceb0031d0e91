// Kong's error bodies and the choice between them (kong/tools/http.lua and kong/error_handlers.lua of 3.9.3).

const HTML = 'text/html; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const PLAIN = 'text/plain; charset=utf-8';
const XML = 'application/xml; charset=utf-8';

const TYPES: Record<string, string> = {
  'text/html': HTML,
  'application/json': JSON_TYPE,
  'text/plain': PLAIN,
  'application/xml': XML,
  'application/*': JSON_TYPE,
  'text/*': PLAIN,
};

const TOKEN = String.raw`[a-z0-9][a-z0-9\-!#$&^_+.]+`;
const ACCEPT = new RegExp(
  String.raw`^((?:${TOKEN}|\*)/(?:${TOKEN}|\*))(?:\s*;\s*q=(1(?:\.0{0,3}|)|0(?:\.\d{0,3}|))|\s*;\s*${TOKEN}(?:=[^;]*|))*`,
  'i',
);

/**
 * The media type of an error body.
 *
 * @param accept the request's Accept, or what stands for it; JSON when it is undefined or names nothing known
 */
export function errorType(accept: string | undefined): string {
  let type = JSON_TYPE;
  let best = 0;
  for (const part of accept?.split(',') ?? []) {
    const [, media, q] = ACCEPT.exec(part.trim()) ?? [];
    const quality = Number(q ?? 1);
    if (!media || quality <= best) continue;
    best = quality;
    type = TYPES[media] ?? JSON_TYPE;
  }
  return type;
}

/** The media type where nginx itself gives up: Accept, else the request's own Content-Type, else plain text. */
export function failureType(accept: string | undefined, contentType: string | undefined): string {
  return errorType(accept ?? contentType ?? 'text/plain');
}

/** The body of an error, in the media type that errorType or failureType chose. */
export function errorBody(type: string, message: string, requestId: string): string {
  switch (type) {
    case HTML:
      return `<!doctype html>
<html>
  <head>
    <meta charset="utf-8">
    <title>Error</title>
  </head>
  <body>
    <h1>Error</h1>
    <p>${message}.</p>
    <p>request_id: ${requestId}</p>
  </body>
</html>
`;
    case PLAIN:
      return `${message}\nrequest_id: ${requestId}\n`;
    case XML:
      return `<?xml version="1.0" encoding="UTF-8"?>
<error>
  <message>${message}</message>
  <requestid>${requestId}</requestid>
</error>
`;
    default:
      return `{\n  "message":"${message}",\n  "request_id":"${requestId}"\n}`;
  }
}
