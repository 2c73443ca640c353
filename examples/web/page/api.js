// SPDX-License-Identifier: MIT
// The request handler's JSON contract, as a browser uses it.

const path = '/api/compute'
let token = sessionStorage.getItem('token') ?? ''

// The link that the server prints carries the token behind the '#', which browsers send to nobody.
const fragment = new URLSearchParams(location.hash.slice(1))
if (fragment.has('token')) {
  setToken(fragment.get('token'))
  history.replaceState(null, '', location.pathname)
}

export function setToken(text) {
  token = text
  sessionStorage.setItem('token', text)
}

export class ApiError extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

async function post(action, members, signal) {
  return fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify({ action: `compute.sandbox.${action}`, ...members }),
    signal
  })
}

async function failure(response) {
  const answer = await response.json().catch(() => ({}))
  return new ApiError(response.status, answer.error ?? `HTTP ${response.status}`)
}

export async function ask(action, members = {}) {
  const response = await post(action, members)
  if (!response.ok) throw await failure(response)
  return response.json()
}

// Runs code; `on_event` gets each event as it comes. Resolves after the last.
export async function run(members, on_event, signal) {
  const response = await post('runCode', { ...members, stream: true }, signal)
  if (!response.ok) throw await failure(response)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const parts = (rest + value).split('\n\n')
    rest = parts.pop()
    for (const part of parts) {
      const data = part.split('\n').find((line) => line.startsWith('data: '))
      if (data) on_event(JSON.parse(data.slice(6)))
    }
  }
}

// A terminal's WebSocket. A browser cannot send the Authorization header with it.
export function openTerminal(sandboxId, terminalId, offset) {
  const url = new URL(path, location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  url.search = new URLSearchParams({ action: 'terminal.connect', sandboxId, terminalId, offset })
  return new WebSocket(url, ['e2b-terminal', `e2b-bearer.${token}`])
}
