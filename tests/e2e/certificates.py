"""Certificates for tests, made by the openssl command: an authority, and what it vouches for."""

import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    def __init__(self, directory, name="authority"):
        self.directory = directory
        self.certificate = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"
        openssl("req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.certificate, "-days", "30", "-subj",
                f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, common_name=None, of="DNS:localhost,IP:127.0.0.1", days=30):
        """Files of a certificate and its key; an earlier one of the same name is replaced. With days=-1 it has expired
        yesterday."""
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        new_certificate, new_key = self.directory / f"{name}.pem.new", self.directory / f"{name}.key.new"
        openssl("req", *NEW_KEY, "-keyout", new_key, "-out", request, "-subj", f"/CN={common_name or name}")
        extensions.write_text(f"subjectAltName={of}\nbasicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                "-days", days, "-extfile", extensions, "-out", new_certificate)
        new_certificate.replace(certificate)
        new_key.replace(key)
        return certificate, key
