// SPDX-License-Identifier: MIT
// What the test files share: the package under test, one sandbox a file, and waiting for a condition
// without sleeping.
import http from 'node:http'
import { after, before } from 'node:test'

// E2B_SDK names the installed package: "e2b", or the older release beside it.
export const sdk = await import(process.env.E2B_SDK ?? 'e2b')
export const { Sandbox } = sdk

// A sandbox for all tests of a file; `it.sandbox` when they run.
export function withSandbox(options = {}) {
  const it = {}
  before(async () => {
    it.sandbox = await Sandbox.create('base', { timeoutMs: 120_000, ...options })
  })
  after(() => it.sandbox?.kill())
  return it
}

// Asks again, one question after the other, until the answer is a good one; answers it.
export async function until(ask, good = Boolean) {
  const end = Date.now() + 30_000
  for (;;) {
    const answer = await ask()
    if (good(answer)) return answer
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(answer)}`)
  }
}

// Gathers text that comes in pieces; `until(part)` is fulfilled when it has come.
export function listener() {
  let text = ''
  const waiting = []
  const look = () => {
    for (const one of waiting.splice(0)) text.includes(one.part) ? one.done() : waiting.push(one)
  }
  const add = (piece) => {
    text += typeof piece === 'string' ? piece : Buffer.from(piece).toString()
    look()
  }
  return {
    add,
    get text() {
      return text
    },
    until: (part) =>
      new Promise((done) => {
        waiting.push({ part, done })
        look()
      }),
  }
}

// What `action` throws, which must be of one of the classes (names of the package's exports).
export async function thrown(action, ...names) {
  try {
    await action()
  } catch (error) {
    if (names.some((name) => sdk[name] && error instanceof sdk[name])) return error
    throw new Error(`no ${names} but ${error?.constructor?.name}: ${error?.message}`)
  }
  throw new Error(`no ${names}`)
}

// Asks a sandbox's port by the name that getHost() gives; the address is the host's.
export function ask(name, headers = {}) {
  const { hostname, port } = new URL(process.env.E2B_SANDBOX_URL)
  return new Promise((done, fail) => {
    http
      .get({ host: hostname, port, path: '/', headers: { ...headers, Host: name } }, async (answer) => {
        let body = ''
        for await (const piece of answer) body += piece
        done({ status: answer.statusCode, body })
      })
      .on('error', fail)
  })
}

// A server in the sandbox that answers everything with a text; resolves when it listens.
export async function serve(sandbox, port, text) {
  const heard = listener()
  const program =
    `require("http").createServer((q, a) => a.end("${text}"))` +
    `.listen(${port}, () => console.log("listening"))`
  const command = await sandbox.commands.run(`node -e '${program}'`, {
    background: true,
    timeoutMs: 0,
    onStdout: heard.add,
  })
  await heard.until('listening')
  return command
}
