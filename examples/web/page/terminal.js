// SPDX-License-Identifier: MIT
// A terminal that survives its connection: what was seen is counted, and the next connection goes on
// from there.
import { ask, openTerminal } from '/api.js'

const first_wait_ms = 250
const longest_wait_ms = 5000
const utf8 = new TextEncoder()

// The sixteen colours of programs, each to be read on the page's own background.
const names = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']
const bright = names.map((name) => `bright${name[0].toUpperCase()}${name.slice(1)}`)
const on_light = ['#1b1f24', '#b42318', '#18794e', '#8a5a00', '#0b62d6', '#8e3fb0', '#0e7490', '#5d6672',
  '#3b434d', '#c4321f', '#1d7f4f', '#946000', '#1a6fe0', '#9a48bd', '#107a94', '#444c56']
const on_dark = ['#3b434d', '#ff8a80', '#5fd39a', '#e8c268', '#6cb0ff', '#d69bf0', '#6fd3e3', '#c9d1db',
  '#7b8694', '#ffa69e', '#7de0b0', '#f2d48a', '#8fc3ff', '#e2b5f7', '#92e0ec', '#ffffff']

export class Terminal {
  constructor(element, state) {
    this.state = state
    this.view = new window.Terminal({
      cursorBlink: true,
      fontSize: 13,
      fontFamily: getComputedStyle(document.body).getPropertyValue('--mono'),
      scrollback: 5000
    })
    this.fit = new window.FitAddon.FitAddon()
    this.view.loadAddon(this.fit)
    this.view.open(element)
    // The page's own key, so that those who have no mouse come out again.
    this.view.attachCustomKeyEventHandler((event) => event.key !== 'F6')
    this.view.onData((text) => this.send(utf8.encode(text)))
    this.view.onBinary((text) => this.send(Uint8Array.from(text, (c) => c.charCodeAt(0))))
    this.view.onResize(({ cols, rows }) => this.control({ type: 'resize', cols, rows }))
    new ResizeObserver(() => this.resize()).observe(element)
  }

  resize() {
    if (this.view.element.offsetParent !== null) this.fit.fit()
  }

  recolour() {
    const style = getComputedStyle(document.body)
    const background = style.getPropertyValue('--back').trim()
    const colours = parseInt(background.slice(1, 3), 16) < 128 ? on_dark : on_light
    this.view.options.theme = {
      ...Object.fromEntries([...names, ...bright].map((name, i) => [name, colours[i]])),
      background,
      foreground: style.getPropertyValue('--text').trim(),
      cursor: style.getPropertyValue('--accent').trim(),
      selectionBackground: '#4c9aff66'
    }
  }

  async start(sandboxId) {
    await this.end()
    this.resize()
    this.view.reset()
    this.say('starting')
    const { cols, rows } = this.view
    const answer = await ask('terminal.create', {
      sandboxId,
      terminalOptions: { command: 'bash', cols, rows }
    })
    this.sandboxId = sandboxId
    this.id = answer.terminal.id
    this.seen = 0
    this.wait_ms = first_wait_ms
    this.connect()
  }

  async end() {
    const { id, sandboxId } = this
    this.id = undefined
    this.socket?.close()
    clearTimeout(this.timer)
    if (id) await ask('terminal.kill', { sandboxId, terminalId: id }).catch(() => {})
  }

  // What it shows and has shown, line by line as they were printed.
  lines() {
    const buffer = this.view.buffer.active
    const lines = []
    for (let i = 0; i < buffer.length; i++) {
      const line = buffer.getLine(i)
      if (line.isWrapped) lines.push(lines.pop() + line.translateToString(true))
      else lines.push(line.translateToString(true))
    }
    return lines
  }

  say(text) {
    this.state.textContent = text
  }

  connect() {
    const socket = openTerminal(this.sandboxId, this.id, this.seen)
    socket.binaryType = 'arraybuffer'
    this.socket = socket
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return
      if (typeof data === 'string') {
        this.onControl(JSON.parse(data))
      } else {
        this.seen += data.byteLength
        this.view.write(new Uint8Array(data))
      }
    }
    socket.onclose = () => {
      if (socket === this.socket && this.id) this.reconnect()
    }
  }

  onControl(message) {
    if (message.type === 'connected') {
      this.seen = message.offset
      this.wait_ms = first_wait_ms
      this.say('')
      const { cols, rows } = this.view
      this.control({ type: 'resize', cols, rows })
      if (message.lost > 0) this.view.write(`\r\n[${message.lost} bytes were lost]\r\n`)
    } else if (message.type === 'gap') {
      this.seen += message.lost
      this.view.write(`\r\n[${message.lost} bytes were lost]\r\n`)
    } else if (message.type === 'exit') {
      this.id = undefined
      this.say(`ended with ${message.exitCode}`)
    }
  }

  reconnect() {
    this.say('connection lost, coming back')
    this.timer = setTimeout(() => this.id && this.connect(), this.wait_ms)
    this.wait_ms = Math.min(this.wait_ms * 2, longest_wait_ms)
  }

  send(bytes) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(bytes)
  }

  control(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message))
  }
}
