// SPDX-License-Identifier: MIT
// A terminal that survives its connection: what was seen is counted, and the next connection goes on
// from there.
import { ask, openTerminal } from '/api.js'

const first_wait_ms = 250
const longest_wait_ms = 5000
const utf8 = new TextEncoder()

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
    this.view.options.theme = {
      background: style.getPropertyValue('--back').trim(),
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
