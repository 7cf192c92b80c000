import { mount } from 'svelte';
import './console.css';
import { listenToKeys } from './keyboard.ts';
import { connection } from './stores/connection.svelte.ts';
import { sound } from './stores/sound.svelte.ts';
import Console from './views/Console.svelte';

const target = document.getElementById('console');
if (target === null) throw new Error('index.html: expected an element #console, got none');

mount(Console, { target });
connection.start();
listenToKeys();
for (const gesture of ['pointerdown', 'keydown'] as const) addEventListener(gesture, () => void sound.wake());
