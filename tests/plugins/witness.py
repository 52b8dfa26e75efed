"""A witness as a process of its own."""

import http.client
import signal
import socket
import subprocess
import sys
import threading


class Process:
    """`strongroom-witness serve`, and what it says."""

    def __init__(self, folder, port=0):
        command = [sys.executable, "-m", "strongroom_witness", "serve", str(folder), "--port", str(port)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        first = self.process.stderr.readline()
        self.port = int(first.strip().rpartition(":")[2])
        self.said = [first]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        self.said += list(self.process.stderr)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, body, **headers):
        connection = self.connect()
        try:
            connection.request("POST", "/add-checkpoint", body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers["Content-Type"]
        finally:
            connection.close()

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as stranger:
            stranger.sendall(data)
            return b"".join(iter(lambda: stranger.recv(4096), b""))

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(20)
        self._reader.join()
        self.process.stderr.close()
        return code
