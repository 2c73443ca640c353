// SPDX-License-Identifier: MIT
// The WebSocket client that most of Node uses, in the terminals' cases. Of the agent's protocol only
// what has to be said: node bench.mjs CASE name=value...
import { readFileSync } from 'node:fs'
import WebSocket from 'ws'

const name = process.argv[2]
const options = Object.fromEntries(process.argv.slice(3).map((a) => a.split('=')))
const number = (key, fallback) => Number(options[key] ?? fallback)
const url = process.env.E2B_SANDBOX_URL.replace('http', 'ws') + '/v1'
const nowUs = () => Number(process.hrtime.bigint()) / 1000
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
const KEY = Buffer.from('x')
const HEAD = 8
const RING = 256 << 10

let cpu, wall
const latencies = []
const notes = {}

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

// A terminal that is open. `onOutput` is the program's, to be set.
function open(at, program) {
  return new Promise((done, failed) => {
    const socket = new WebSocket(url, 'e2b-terminal.v1', { perMessageDeflate: false })
    const terminal = { socket, at, typed: 0, onOutput: null }
    socket.on('error', failed)
    socket.on('open', () => socket.send(JSON.stringify({
      type: 'create', id: `t${at}`, argv: [program], cols: 80, rows: 24, writer: `w${at}`, offset: 0
    })))
    socket.on('message', (data, isBinary) => {
      if (isBinary) terminal.onOutput(data)
      else if (JSON.parse(data).type === 'attached') done(terminal)
    })
  })
}

const cases = {
  async terminal_echo() {
    const wanted = number('terminals', 1)
    const paced = number('rate', 0)
    const terminals = [await open(0, 'cat')]
    const before = process.memoryUsage.rss()
    let next = 1
    const opener = async () => {
      while (next < wanted) {
        const at = next++
        terminals[at] = await open(at, 'cat')
      }
    }
    await Promise.all(Array.from({ length: 50 }, opener))
    await sleep(300)
    notes.stream_bytes = wanted > 1 ? (process.memoryUsage.rss() - before) / (wanted - 1) : 0

    let left, toType, over
    let backToBack = true
    const type = (terminal) => {
      toType--
      terminal.typed = nowUs()
      terminal.socket.send(KEY)
    }
    for (const terminal of terminals) {
      terminal.onOutput = (data) => {
        if (data.length !== HEAD + 1 || data[HEAD] !== KEY[0]) throw new Error('a bad echo')
        latencies.push(nowUs() - terminal.typed)
        terminal.typed = 0
        left--
        if (backToBack && toType > 0) type(terminal)
        if (left === 0) over()
      }
    }
    const run = async (count, rate) => {
      left = toType = count
      backToBack = rate === 0
      const end = new Promise((done) => { over = done })
      let timer
      if (rate > 0) {
        let at = 0
        const aTick = rate < 1000 ? 1 : rate / 1000
        timer = setInterval(() => {
          for (let i = 0; i < aTick && toType > 0; i++) {
            if (terminals[at].typed === 0) type(terminals[at])
            at = (at + 1) % wanted
          }
        }, rate < 1000 ? 1000 / rate : 1)
      } else {
        for (let i = 0; i < wanted && toType > 0; i++) type(terminals[i])
      }
      await end
      clearInterval(timer)
    }
    await run(Math.max(number('warm_up', wanted), 2000), 0)
    start()
    const count = number('count', 100000)
    await run(count, paced)
    finish(count)
  },

  async terminal_flood() {
    const terminal = await open(0, 'flood')
    const print = async (total) => {
      let bytes = 0
      let pieces = 0
      let told = 0
      await new Promise((done) => {
        terminal.onOutput = (data) => {
          if (data[HEAD] !== KEY[0] || data[data.length - 1] !== KEY[0]) throw new Error('bad output')
          bytes += data.length - HEAD
          pieces++
          if (bytes - told >= RING / 4) {
            terminal.socket.send(`{"type":"ack","offset":${bytes}}`)
            told = bytes
          }
          if (bytes >= total) done()
        }
        terminal.socket.send(Buffer.from(`${total}\n`))
      })
      return [pieces, bytes]
    }
    const total = number('total', 1 << 30)
    await print(total / 16)
    start()
    finish(...await print(total))
  }
}

await cases[name]()
