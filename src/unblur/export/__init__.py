"""Networks in the formats of other programs: ONNX and OpenVINO, and the runtimes that compute them."""
