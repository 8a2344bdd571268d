def shouted(name):
    return name.upper()
