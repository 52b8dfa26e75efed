# HashiCorp Vault as docker-compose.yml starts it. The audit device is enabled through the API by unseal.py.
ui            = false
api_addr      = "https://vault:8200"
cluster_addr  = "https://vault:8201"
disable_mlock = true # integrated storage maps its files into memory; switch swap off on the host

listener "tcp" {
  address         = "0.0.0.0:8200"
  tls_cert_file   = "/run/strongroom/tls.pem"
  tls_key_file    = "/run/strongroom/tls.key"
  tls_min_version = "tls12"
}

storage "raft" {
  path    = "/vault/file"
  node_id = "compose"
}
