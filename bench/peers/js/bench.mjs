// SPDX-License-Identifier: MIT
// The official JavaScript SDK, as published, in the same cases: node bench.mjs CASE name=value...
import { readFileSync } from 'node:fs'
import { Sandbox } from 'e2b'

const name = process.argv[2]
const options = Object.fromEntries(process.argv.slice(3).map((a) => a.split('=')))
const number = (key, fallback) => Number(options[key] ?? fallback)

let cpu, wall
const latencies = []
const notes = {}
const real = number('real', 0) !== 0 // processes of e2b-host, not the canned server's
const nowUs = () => Number(process.hrtime.bigint() / 1000n)

function start() {
  latencies.length = 0
  cpu = process.cpuUsage()
  wall = nowUs()
}

function finish(operations, bytes = 0) {
  const used = process.cpuUsage(cpu)
  const sorted = Float64Array.from(latencies).sort()
  const part = (p) => sorted[Math.floor(sorted.length * p)] ?? 0
  const peak = /VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]
  console.log(JSON.stringify({
    operations, bytes, failed: 0, cpu_us: used.user + used.system, wall_us: nowUs() - wall,
    peak_kb: Number(peak), p50_us: part(0.5), p99_us: part(0.99), ...notes
  }))
  process.exit(0)
}

// Runs `operation` count times, in_flight at a time.
async function many(count, inFlight, operation) {
  let left = count
  const worker = async () => {
    while (left-- > 0) {
      const began = nowUs()
      await operation()
      latencies.push(nowUs() - began)
    }
  }
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, worker))
}

async function repeated(operation, count, warmUp) {
  const inFlight = number('in_flight', 64)
  await many(number('warm_up', warmUp), inFlight, operation)
  start()
  const total = number('count', count)
  await many(total, inFlight, operation)
  finish(total)
}

const cases = {
  async start() {
    start()
    await Sandbox.getInfo('i1a2b3c4d5e6f7g8h9j0k')
    finish(1)
  },

  async get_info(sandbox) {
    await repeated(() => sandbox.getInfo(), 4000, 1000)
  },

  async run_command(sandbox) {
    await repeated(async () => {
      const result = await sandbox.commands.run(real ? 'echo hello' : 'hello')
      if (result.exitCode !== 0 || result.stdout !== 'hello\n') throw new Error('a bad result')
    }, 2000, 500)
  },

  async stdout(sandbox) {
    const chunk = number('chunk', 32768)
    let bytes = 0
    const run = (total) => sandbox.commands.run(`flood ${chunk} ${total}`, {
      onStdout: (data) => { bytes += data.length }, timeoutMs: 0
    })
    const total = number('total', 1 << 27)
    await run(total / 16)
    bytes = 0
    start()
    await run(total)
    finish(bytes / chunk, bytes)
  },

  async file_read(sandbox) {
    const run = async (total) => {
      let bytes = 0
      const stream = await sandbox.files.read(String(total), { format: 'stream' })
      for await (const piece of stream) bytes += piece.length
      return bytes
    }
    const total = number('total', 1 << 30)
    await run(total / 64)
    start()
    finish(1, await run(total))
  },

  async file_write(sandbox) {
    const block = new Uint8Array(65536).fill(120)
    const run = async (total) => {
      let left = total
      const stream = new ReadableStream({
        pull(controller) {
          if (left <= 0) return controller.close()
          left -= block.length
          controller.enqueue(block)
        }
      })
      await sandbox.files.write('file', stream)
    }
    const total = number('total', 1 << 30)
    await run(total / 64)
    start()
    await run(total)
    finish(1, total)
  },

  // Real terminals: characters, because a line has its limit, and no echo but the terminal's own.
  async terminal_echo(sandbox) {
    const open = async () => {
      const it = { typed: 0, echoed: null }
      const ready = new Promise((done) => { it.ready = done })
      const handle = await sandbox.pty.create({
        cols: 80, rows: 24, timeoutMs: 0,
        onData: (data) => {
          if (it.echoed) it.echoed(data)
          else if (Buffer.from(data).includes('now\r\n')) it.ready()
        }
      })
      it.pid = handle.pid
      await sandbox.pty.sendInput(it.pid, Buffer.from('stty -icanon; echo n""ow; exec cat >/dev/null\n'))
      await ready
      return it
    }
    const terminals = [await open()]
    const before = process.memoryUsage.rss()
    const wanted = number('terminals', 1)
    while (terminals.length < wanted) terminals.push(await open())
    notes.stream_bytes = wanted > 1 ? (process.memoryUsage.rss() - before) / (wanted - 1) : 0
    const key = Buffer.from('x')
    let left
    const type = async (it) => {
      while (left-- > 0) {
        const began = nowUs()
        const echo = new Promise((done) => { it.echoed = done })
        await Promise.all([sandbox.pty.sendInput(it.pid, key), echo])
        latencies.push(nowUs() - began)
      }
    }
    const run = async (count) => {
      left = count
      await Promise.all(terminals.map(type))
    }
    await run(number('warm_up', 500))
    start()
    const count = number('count', 3000)
    await run(count)
    finish(count)
  },

  async terminal_keystroke(sandbox) {
    await cases.terminal_echo(sandbox)
  },

  async terminal_flood(sandbox) {
    let bytes = 0
    let pieces = 0
    let waiting
    const ready = new Promise((done) => { waiting = done })
    let wanted = Infinity
    let done = () => {}
    const handle = await sandbox.pty.create({
      cols: 80, rows: 24, timeoutMs: 0,
      onData: (data) => {
        if (waiting && Buffer.from(data).includes('now\r\n')) {
          waiting()
          waiting = null
        } else if (!waiting) {
          bytes += data.length
          pieces++
          if (bytes >= wanted) done()
        }
      }
    })
    const type = (text) => sandbox.pty.sendInput(handle.pid, Buffer.from(text))
    await type("stty -echo; PS1=; f() { head -c $1 /dev/zero | tr '\\0' x; }; echo n\"\"ow\n")
    await ready
    const print = async (total) => {
      bytes = pieces = 0
      wanted = total
      const end = new Promise((then) => { done = then })
      await type(`f ${total}\n`)
      await end
    }
    const total = number('total', 1 << 26)
    await print(total / 16)
    start()
    await print(total)
    finish(pieces, bytes)
  },

  async streams(sandbox) {
    const wanted = number('streams', 1000)
    let events = 0
    // Real ones print the time of the day.
    const ahead = real ? (performance.timeOrigin + performance.now()) * 1000 - nowUs() : 0
    const onStdout = (data) => {
      for (const line of data.trimEnd().split('\n')) {
        latencies.push(nowUs() + ahead - Number(line))
        events++
      }
    }
    const line = real
      ? "exec {nothing}<> <(:); while :; do printf '%016d\\n' ${EPOCHREALTIME/[.,]/}; read -t 1 -u $nothing; done"
      : 'tick'
    const before = process.memoryUsage.rss()
    let opened = 0
    const worker = async () => {
      while (opened++ < wanted) {
        await sandbox.commands.run(line, { background: true, onStdout, timeoutMs: 0 })
      }
    }
    await Promise.all(Array.from({ length: number('at_once', 100) }, worker))
    await new Promise((done) => setTimeout(done, number('settle_ms', 2000)))
    notes.stream_bytes = (process.memoryUsage.rss() - before) / wanted
    events = 0
    start()
    await new Promise((done) => setTimeout(done, number('seconds', 10) * 1000))
    finish(events)
  }
}

// The SDK's own ceilings are lower than what the cases open.
process.env.E2B_ENVD_RPC_CONNECTIONS ??= '20000'
process.env.E2B_ENVD_RPC_INFLIGHT_REQUESTS ??= '0'
await cases[name](name === 'start' ? undefined : await Sandbox.create())
